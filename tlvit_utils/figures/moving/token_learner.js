// TokenLearner from the inside: a map weights the grid, and the sum over the cells is a token.
"use strict";

const { rows, columns, grid, maps } = data; // (cells, 3), (tokens, cells)
const cells = range(rows * columns), CHANNELS = ["red", "green", "blue"], SUM_EPSILON = 1e-4;
const POOLINGS = { mean: "mean", sum: "sum", weighted_mean: "weighted mean" };
const BEFORE = 3; // steps before the first cell: grid, norm, map
const last = BEFORE + cells.length;
let token = 0, pooling = "mean", step = last;

const rgb = (values) => `rgb(${values.map((value) => Math.round(255 * clamp(value, 0, 1))).join(" ")})`;
const place = (cell) => `row ${Math.floor(cell / columns)}, column ${cell % columns}`;

/** LayerNorm of one cell, without scale and shift. */
function norm(values) {
  const mean = sum(values) / 3;
  const deviation = Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / 3 + 1e-6);
  return values.map((value) => (value - mean) / deviation);
}

/** A grid of squares, each with a place for a number, in an svg; a click goes to the cell's step. */
function tile(root) {
  fill(root, { viewBox: `-1 -1 ${40 * columns + 2} ${40 * rows + 2}` });
  const all = cells.map((cell) => {
    const x = 40 * (cell % columns), y = 40 * Math.floor(cell / columns);
    const square = svg("rect", { x: x + 1, y: y + 1, width: 38, height: 38, rx: 4, class: "cell" });
    const text = svg("text", { x: x + 20, y: y + 20, class: "in-cell" });
    square.onclick = () => go(BEFORE + cell + 1);
    root.append(square, text);
    return { square, text };
  });
  const frame = svg("rect", { class: "frame", rx: 5, width: 40, height: 40 });
  root.append(frame);
  /** Show colours (null: not yet there), words in the cells, and a frame around a cell. */
  return (colours, cell = -1, words = () => "") => {
    all.forEach(({ square, text }, i) => {
      square.style.fill = colours(i) ?? "";
      text.textContent = colours(i) ? words(i) : "";
    });
    fill(frame, { visibility: cell < 0 ? "hidden" : "visible", x: 40 * (cell % columns), y: 40 * Math.floor(cell / columns) });
  };
}
const tiles = Object.fromEntries(["grid", "normed", "map", "product"].map((name) => [name, tile($(`#${name}`))]));

const table = CHANNELS.map((name, channel) => {
  const sumCell = html("td"), tokenCell = html("td"), bar = html("div", { style: `background:var(--${name})` });
  $("tbody").append(html("tr", {}, html("th", { scope: "row" }, name), sumCell, tokenCell,
    html("td", { class: "bar" }, bar)));
  return { sumCell, tokenCell, bar };
});

function draw() {
  const map = maps[token], high = Math.max(...map, 1e-12), done = step - BEFORE; // cells added so far
  const cell = done > 0 && done < cells.length ? done - 1 : -1;
  tiles.grid((i) => rgb(grid[i]), cell);
  tiles.normed((i) => (step < 1 ? null : rgb(norm(grid[i]).map((value) => .5 + .3 * value))), cell);
  tiles.map((i) => (step < 2 ? null : rgb([0, 0, 0].fill(map[i] / high))), cell, (i) => number(map[i]).replace(/^0/, ""));
  for (const i of cells) { // black letters on light cells
    $(`#map text:nth-of-type(${i + 1})`).style.fill = map[i] / high > .46 ? "#000" : "#fff";
  }
  tiles.product((i) => (i < done ? rgb(grid[i].map((value) => value * map[i] / high)) : null), cell);

  const divisor = { sum: 1, mean: cells.length, weighted_mean: sum(map) + SUM_EPSILON }[pooling];
  const total = (channel, count) => sum(cells.slice(0, Math.max(count, 0)).map((i) => map[i] * grid[i][channel]));
  const most = Math.max(...range(3).map((channel) => total(channel, cells.length)), 1e-9);
  const result = range(3).map((channel) => total(channel, cells.length) / divisor);
  table.forEach(({ sumCell, tokenCell, bar }, channel) => {
    const value = total(channel, done);
    sumCell.textContent = number(value, 3);
    tokenCell.textContent = step === last ? number(result[channel], 3) : "";
    bar.style.width = `${100 * value / most}%`;
  });
  fill($("#swatch"), ofToken(token));
  $("#swatch").style.background = rgb(range(3).map((channel) => total(channel, done) / divisor));
  const divided = { sum: "The sum is the token.",
    mean: `Divided by ${cells.length}, the number of cells, it is the token.`,
    weighted_mean: `Divided by ${number(divisor)}, the sum of the map, it is the token.` }[pooling];
  $("#formula").textContent = done < 1 ? "One cell after another." : step === last ? divided
    : `${number(map[cell])} × ${vector(grid[cell])} = ${vector(grid[cell].map((value) => map[cell] * value))}`;
  say([
    `The grid has ${rows} × ${columns} cells.`,
    "LayerNorm gives each cell’s numbers mean 0 and standard deviation 1. A TokenLearner computes its maps from them.",
    `The map of token ${token + 1}: dark is a small weight, light a large one. These maps are given; a TokenLearner computes `
      + "its maps with four convolutions and a sigmoid.",
    "The map weights the raw grid, which has not been normalised. Now the cells are added one by one.",
  ][step] ?? (step === last ? `All cells are added. Token ${token + 1}, the ${POOLINGS[pooling]}, is ${vector(result)}.`
    : `The cell in ${place(cell)} is added with the weight ${number(map[cell])}: ${done} of ${cells.length}.`));
}

choices($("#tokens"), maps.map((_, i) => `${i + 1}`), (i) => { token = i; draw(); }, (i) => ofToken(i));
choices($("#poolings"), Object.values(POOLINGS), (i) => { pooling = Object.keys(POOLINGS)[i]; draw(); });
const go = stepper(last, (to) => { step = to; draw(); }, 450);
go(last);
