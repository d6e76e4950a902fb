// What the page draws, and the words that say the same: maps over pictures, and cells that fly into a
// token. Nothing here knows what is chosen. Places are shares of a picture's side, [x, y].
"use strict";

// One colour per token, as in `figures/plots.py`: Okabe and Ito's, which colour-blind readers tell
// apart. The number stands beside the colour everywhere.
const TOKEN_COLOURS =
  ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#6611cc", "#000000"];
const DARK_TOKENS = [0, 5, 6, 7]; // which carry white letters
const tokenColour = (token) => TOKEN_COLOURS[token % TOKEN_COLOURS.length];

// Matplotlib's viridis in sixteen steps; colours between them are mixed.
const VIRIDIS = ("440154 481a6c 472f7d 414487 39568c 31688e 2a788e 23888e 1f988b 22a884 35b779 54c568 "
  + "7ad151 a5db36 d2e21b fde725").split(" ");
const STEPS = VIRIDIS.map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));

/** The colour [red, green, blue] of a share from 0 to 1 */
function heat(share) {
  const place = share * (STEPS.length - 1), step = Math.min(Math.floor(place), STEPS.length - 2);
  return STEPS[step].map((from, c) => from + (place - step) * (STEPS[step + 1][c] - from));
}

const limitsOf = (values) => [Math.min(...values), Math.max(...values)];
const cellAt = ([x, y], side) => Math.floor(y * side) * side + Math.floor(x * side);
const centreOf = (cell, side) => [cell % side, Math.floor(cell / side)].map((at) => (at + 0.5) / side);

/** Put rows of RGB into a canvas of one pixel per pixel. */
function fill(small, pixels, side) {
  const image = new ImageData(side, side);
  for (let i = 0, o = 0; i < pixels.length; i++) {
    image.data[o++] = pixels[i];
    if (i % 3 === 2) image.data[o++] = 255;
  }
  if (small.width !== side) small.width = small.height = side;
  small.getContext("2d").putImageData(image, 0, 0);
  return small;
}

/** Draw a small canvas over the whole of a large one, pixel by pixel. */
function spread(canvas, small, opacity = 1) {
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.globalAlpha = opacity;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
  return context;
}

const scratch = document.createElement("canvas");
const drawPixels = (canvas, pixels, side) => spread(canvas, fill(scratch, pixels, side));

/** A view as it lies under a map: the greyer the denser the map, so that no colour is taken for heat. */
function greyed(view, opacity) {
  const out = new Float32Array(view.length);
  for (let i = 0; i < view.length; i += 3) {
    const grey = (view[i] + view[i + 1] + view[i + 2]) / 3;
    for (let c = i; c < i + 3; c++) out[c] = view[c] + opacity * (grey - view[c]);
  }
  return out;
}

const heatScratch = document.createElement("canvas");

/** Draw a map, one value per cell, over a whole canvas; a flat one is neither dark nor bright. */
function drawHeat(canvas, values, side, [low, high], opacity) {
  const pixels = new Float32Array(3 * values.length);
  values.forEach((value, cell) => pixels.set(
    heat(high - low < 1e-9 ? 0.5 : Math.min(Math.max((value - low) / (high - low), 0), 1)), 3 * cell));
  return spread(canvas, fill(heatScratch, pixels, side), opacity);
}

/** A frame in two colours, which show on any ground, inside a rectangle given as shares. */
function drawFrame(context, left, top, right, bottom, thick) {
  const { width } = context.canvas, inset = thick / 2;
  for (const [strokeStyle, lineWidth] of [["#000", thick], ["#fff", thick / 2]]) {
    Object.assign(context, { strokeStyle, lineWidth });
    context.strokeRect(left * width + inset, top * width + inset, (right - left) * width - thick,
      (bottom - top) * width - thick);
  }
}

function drawCell(context, cell, side, thick) {
  const [x, y] = centreOf(cell, side), half = 0.5 / side;
  drawFrame(context, x - half, y - half, x + half, y + half, thick);
}

/** Each cell's share of the map's weight, in percent. */
function drawValues(context, values, side) {
  const { width } = context.canvas, step = width / side, total = sum(values) || 1;
  Object.assign(context, { font: `600 ${Math.round(step / 3.2)}px system-ui, sans-serif`,
    textAlign: "center", textBaseline: "middle", lineWidth: step / 14, strokeStyle: "#000",
    fillStyle: "#fff" });
  values.forEach((value, cell) => {
    const text = (100 * value / total).toFixed(1), place = centreOf(cell, side).map((at) => at * width);
    context.strokeText(text, ...place);
    context.fillText(text, ...place);
  });
}

/** The cells of a map fly from the picture into the token that reads them: what pooling does. */
function flow(stage, tile, values, side, colour) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const from = stage.getBoundingClientRect(), to = tile.getBoundingClientRect();
  const high = limitsOf(values)[1] || 1, step = from.width / side;
  const layer = element("div", { className: "flow" });
  const strongest = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, 40);
  strongest.forEach((cell, order) => {
    const [x, y] = centreOf(cell, side).map((share) => share * from.width);
    const square = element("i", { style: `left:${from.left + x - step / 2}px;width:${step}px;`
      + `top:${from.top + y - step / 2}px;height:${step}px;background:${colour}` });
    const transform = `translate(${to.left + to.width / 2 - from.left - x}px,`
      + `${to.top + to.height / 2 - from.top - y}px) scale(.15)`;
    layer.append(square);
    square.animate([{ opacity: 0.15 + 0.7 * values[cell] / high }, { opacity: 0.3, transform }],
      { duration: 550, delay: 8 * order, easing: "ease-in", fill: "both" });
  });
  document.body.append(layer);
  setTimeout(() => layer.remove(), 950);
}

// Words

const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

/** How many cells, the strongest first, hold half of a map's weight. */
function cellsForHalf(values) {
  const half = sum(values) / 2;
  let held = 0;
  return 1 + [...values].sort((a, b) => b - a).findIndex((value) => (held += value) >= half);
}

/** Where a map looks and how concentrated it is: the words of `maps.describe_map`. */
function describeMap(values, side) {
  const total = sum(values), [, high] = limitsOf(values);
  if (!total) return `0 on all ${values.length} cells`;
  const strongest = [...values.keys()].filter((i) => values[i] >= high * (1 - 1e-5));
  const where = strongest.length > 1 ? `on ${strongest.length} cells alike,`
    : `at ${cellName(strongest[0], side)}`;
  const weights = Array.from(values, (value) => value / total);
  const [x, y] = [0, 1].map((axis) => // the centre of its weight
    weights.reduce((all, weight, i) => all + weight * centreOf(i, side)[axis], 0));
  const entropy = weights.reduce((all, weight) => all - (weight && weight * Math.log(weight)), 0)
    / Math.log(values.length);
  return `strongest ${where} of ${side} × ${side}; on the whole `
    + `${placeName(x, y)}; half of its weight lies on ${cellsForHalf(values)} of ${values.length} cells (entropy ${percent(entropy, 0)} of a `
    + "uniform map’s)";
}

const cellName = (cell, side) => `row ${Math.floor(cell / side)}, column ${cell % side}`;

function placeName(x, y) {
  const vertical = y < 0.45 ? "top" : y > 0.55 ? "bottom" : "";
  const horizontal = x < 0.45 ? "left" : x > 0.55 ? "right" : "";
  const words = `${vertical} ${horizontal}`.trim();
  return words ? `towards the ${words}` : "around the centre";
}
