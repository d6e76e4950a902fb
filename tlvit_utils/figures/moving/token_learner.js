// TokenLearner from the inside: a map weights the grid, and the sum over the cells is a token.
"use strict";

const { rows, columns, grid, normed, logits, maps } = data; // (cells, 3) twice, (tokens, cells) twice
const cells = range(rows * columns), CHANNELS = ["red", "green", "blue"], SUM_EPSILON = 1e-4;
const POOLINGS = { mean: "mean", sum: "sum", weighted_mean: "weighted mean" };
const BEFORE = 4; // steps before the first cell: grid, norm, convolution, map
const last = BEFORE + cells.length;
let token = 0, pooling = "mean", step = last;

const rgb = (values) => `rgb(${values.map((value) => Math.round(255 * clamp(value, 0, 1))).join(" ")})`;
const place = (cell) => `row ${Math.floor(cell / columns)}, column ${cell % columns}`;

/** From where to where a frame runs around the cell `at` of `count`, and `wide` more on either side. */
const span = (at, count, wide) => [40 * Math.max(at - wide, 0), 40 * Math.min(at + wide + 1, count)];

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
  const frame = svg("rect", { class: "frame", rx: 5 });
  root.append(frame);
  /** Show colours (null: not yet there), words in the cells, and a frame around a cell and `wide` more. */
  return (colours, cell = -1, words = () => "", wide = 0) => {
    all.forEach(({ square, text }, i) => {
      square.style.fill = colours(i) ?? "";
      text.textContent = colours(i) ? words(i) : "";
    });
    const [left, right] = span(cell % columns, columns, wide), [top, bottom] = span(Math.floor(cell / columns), rows, wide);
    fill(frame, { visibility: cell < 0 ? "hidden" : "visible", x: left, width: right - left, y: top, height: bottom - top });
  };
}
const tiles = Object.fromEntries(["grid", "normed", "logits", "map", "product"].map((name) => [name, tile($(`#${name}`))]));

const table = CHANNELS.map((name, channel) => {
  const sumCell = html("td"), tokenCell = html("td"), bar = html("div", { style: `background:var(--${name})` });
  $("tbody").append(html("tr", {}, html("th", { scope: "row" }, name), sumCell, tokenCell,
    html("td", { class: "bar" }, bar)));
  return { sumCell, tokenCell, bar };
});

function draw() {
  const map = maps[token], high = Math.max(...map), done = step - BEFORE; // cells added so far
  const most = Math.max(...logits[token].map(Math.abs), 1e-12);
  const greys = { logits: logits[token].map((value) => .5 + value / most / 2), map: map.map((value) => value / high) };
  const cell = done > 0 && done < cells.length ? done - 1 : -1;
  tiles.grid((i) => rgb(grid[i]), cell);
  tiles.normed((i) => (step < 1 ? null : rgb(normed[i].map((value) => .5 + .3 * value))), cell, undefined, 1);
  const texts = { logits: logits[token].map((value) => number(value, 1)), map: map.map((value) => number(value).replace(/^0/, "")) };
  for (const [name, from] of [["logits", 2], ["map", 3]]) {
    tiles[name]((i) => (step < from ? null : rgb([0, 0, 0].fill(greys[name][i]))), cell, (i) => texts[name][i]);
    for (const i of cells) { // black letters on light cells
      $(`#${name} text:nth-of-type(${i + 1})`).style.fill = greys[name][i] > .46 ? "#000" : "#fff";
    }
  }
  tiles.product((i) => (i < done ? rgb(grid[i].map((value) => value * map[i] / high)) : null), cell);

  const divisor = { sum: 1, mean: cells.length, weighted_mean: sum(map) + SUM_EPSILON }[pooling];
  const total = (channel, count) => sum(cells.slice(0, Math.max(count, 0)).map((i) => map[i] * grid[i][channel]));
  const longest = Math.max(...range(3).map((channel) => total(channel, cells.length)), 1e-9);
  const result = range(3).map((channel) => total(channel, cells.length) / divisor);
  table.forEach(({ sumCell, tokenCell, bar }, channel) => {
    const value = total(channel, done);
    sumCell.textContent = number(value, 3);
    tokenCell.textContent = step === last ? number(result[channel], 3) : "";
    bar.style.width = `${100 * value / longest}%`;
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
    "LayerNorm gives each cell’s numbers mean 0 and standard deviation 1. The map is computed from them.",
    `The filter of token ${token + 1} reads each cell and its eight neighbours: 27 products are added up. These filters are `
      + "given; a TokenLearner learns its own, in four convolutions.",
    `The sigmoid turns each number into a weight. This is the map of token ${token + 1}: dark is a small weight, light a large one.`,
    "The map weights the raw grid, which has not been normalised. Now the cells are added one by one.",
  ][step] ?? (step === last ? `All cells are added. Token ${token + 1}, the ${POOLINGS[pooling]}, is ${vector(result)}.`
    : `The cell in ${place(cell)} is added with the weight ${number(map[cell])}: ${done} of ${cells.length}.`));
}

choices($("#tokens"), maps.map((_, i) => `${i + 1}`), (i) => { token = i; draw(); }, (i) => ofToken(i));
choices($("#poolings"), Object.values(POOLINGS), (i) => { pooling = Object.keys(POOLINGS)[i]; draw(); });
const go = stepper(last, (to) => { step = to; draw(); }, 450);
go(last);
