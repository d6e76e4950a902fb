// What the page draws, and the words that say the same: maps over pictures, and cells that fly into a
// token. Nothing here knows what is chosen. Places are shares of a picture's side, [x, y].
"use strict";

// The figures' colours: [ground, letters] of each token, and a map's in 256 steps.
const tokenColours = (token) => data.token_colours[token % data.token_colours.length];
const HEAT = bytes(data.heat), heat = (share) => rowOf(HEAT, Math.round(255 * share), 3);

/** The indices of numbers, the largest first */
const strongestOf = (values) => [...values.keys()].sort((a, b) => values[b] - values[a]);
const limitsOf = (values) => [Math.min(...values), Math.max(...values)];
const cellAt = ([x, y], side) => Math.floor(y * side) * side + Math.floor(x * side);
const centreOf = (cell, side) => [cell % side, Math.floor(cell / side)].map((at) => (at + 0.5) / side);

/** Put rows of RGB into a canvas, once; the style sheet makes the pixels large. */
function fill(canvas, pixels, side) {
  if (canvas.pixels === pixels) return canvas;
  const image = new ImageData(side, side);
  for (let i = 0, o = 0; i < pixels.length; i++) {
    image.data[o++] = pixels[i];
    if (i % 3 === 2) image.data[o++] = 255;
  }
  if (canvas.width !== side) canvas.width = canvas.height = side;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return Object.assign(canvas, { pixels });
}

/** Show what the network sees in a box, and a map over it: in colours, or as light that falls on the
 * picture. A flat map is neither dark nor bright. */
function drawMap(box, { view, network: { viewSize, side } }, map, limits, isLight = false) {
  const [below, above] = all("canvas", box);
  fill(below, view, viewSize);
  box.classList.toggle("mapped", Boolean(map));
  box.classList.toggle("lit", isLight);
  if (!map) return;
  const [low, high] = limits ?? limitsOf(map), pixels = new Uint8Array(3 * map.length);
  map.forEach((value, cell) => {
    const level = Math.round(255 * (high - low < 1e-9 ? 0.5 : clamp((value - low) / (high - low), 0, 1)));
    for (let c = 0; c < 3; c++) pixels[3 * cell + c] = isLight ? level : HEAT[3 * level + c];
  });
  fill(above, pixels, side);
}

/** Mark a cell of a box, or none (-1). */
function markCell(box, cell, side) {
  const mark = $(".cell", box), [x, y] = centreOf(cell, side), half = 0.5 / side;
  mark.hidden = cell < 0;
  mark.style.inset = [y - half, 1 - x - half, 1 - y - half, x - half]
    .map((share) => `${100 * share}%`).join(" ");
}

/** The cells of a map fly from the picture into the token that reads them: what pooling does. */
function flow(stage, tile, values, side, colour) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const from = stage.getBoundingClientRect(), to = tile.getBoundingClientRect();
  const high = limitsOf(values)[1] || 1, step = from.width / side;
  strongestOf(values).slice(0, 40).forEach((cell, order) => {
    const [x, y] = centreOf(cell, side).map((share) => share * from.width);
    const square = element("i", { className: "flying", style: `left:${from.left + x - step / 2}px;`
      + `top:${from.top + y - step / 2}px;width:${step}px;height:${step}px;background:${colour}` });
    const transform = `translate(${to.left + to.width / 2 - from.left - x}px,`
      + `${to.top + to.height / 2 - from.top - y}px) scale(.15)`;
    document.body.append(square);
    square.animate([{ opacity: 0.15 + 0.7 * values[cell] / high }, { opacity: 0.3, transform }],
      { duration: 550, delay: 8 * order, easing: "ease-in", fill: "both" })
      .onfinish = () => square.remove();
  });
}

// Words

const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

/** How many cells, the strongest first, hold half of a map's weight. */
function cellsForHalf(values) {
  let rest = sum(values) / 2;
  return 1 + strongestOf(values).findIndex((cell) => (rest -= values[cell]) <= 0);
}

/** Where a map looks and how concentrated it is: the words of `maps.describe_map`. */
function describeMap(values, side) {
  const total = sum(values), [, high] = limitsOf(values), count = values.length;
  if (!total) return `0 on all ${count} cells`;
  const [strongest, ...others] = [...values.keys()].filter((i) => values[i] >= high * (1 - 1e-5));
  const where = others.length ? `on ${others.length + 1} cells alike,` : `at ${cellName(strongest, side)}`;
  const weights = Array.from(values, (value) => value / total);
  const centre = [0, 1].map((axis) =>
    sum(weights.map((weight, cell) => weight * centreOf(cell, side)[axis])));
  const entropy = -sum(weights.map((weight) => weight && weight * Math.log(weight))) / Math.log(Math.max(count, 2));
  return `strongest ${where} of ${side} × ${side}; on the whole ${placeName(centre)}; half of its weight `
    + `lies on ${cellsForHalf(values)} of ${count} cells (entropy ${percent(entropy, 0)} of a uniform map’s)`;
}

const cellName = (cell, side) => `row ${Math.floor(cell / side)}, column ${cell % side}`;

function placeName([x, y]) {
  const vertical = y < 0.45 ? "top" : y > 0.55 ? "bottom" : "";
  const horizontal = x < 0.45 ? "left" : x > 0.55 ? "right" : "";
  const words = `${vertical} ${horizontal}`.trim();
  return words ? `towards the ${words}` : "around the centre";
}
