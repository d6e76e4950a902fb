// What the page draws, and the words that say the same: maps over pictures, the accuracy's curve,
// and cells that fly into a token. Nothing here knows what is chosen.
"use strict";

// One colour per token, as in `figures/plots.py`: Okabe and Ito's, which colour-blind readers tell
// apart. The number stands beside the colour everywhere.
const TOKEN_COLOURS =
  ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#6611cc", "#000000"];
const DARK_TOKENS = [0, 5, 6, 7]; // which carry white letters
const tokenColour = (token) => TOKEN_COLOURS[token % TOKEN_COLOURS.length];

// Sixteen steps of each colour map; colours between them are mixed.
const STEPS = {
  viridis: "440154481a6c472f7d41448739568c31688e2a788e23888e1f988b22a88435b77954c5687ad151a5db36"
    + "d2e21bfde725",
  cividis: "00224e002e6c1e3a6f35456c47516c575d6d666970757575848279948e77a59c74b7a96ec8b866dbc75a"
    + "eed649fee838",
};
const HEAT = Object.fromEntries(Object.entries(STEPS).map(([name, steps]) => [name, heat(steps)]));

/** A table of 256 colours, rows of RGB. */
function heat(steps) {
  const part = (step, c) => parseInt(steps.substr(6 * Math.min(step, 15) + 2 * c, 2), 16);
  return Uint8ClampedArray.from({ length: 768 }, (_, i) => {
    const place = Math.floor(i / 3) / 17, step = Math.floor(place), share = place - step;
    return (1 - share) * part(step, i % 3) + share * part(step + 1, i % 3);
  });
}

const limitsOf = (values) => [Math.min(...values), Math.max(...values)];

const scratch = document.createElement("canvas"); // a picture of one pixel per pixel

/** Draw rows of RGB into a whole canvas, pixel by pixel. */
function drawPixels(canvas, pixels, side) {
  const image = new ImageData(side, side);
  for (let i = 0, o = 0; i < pixels.length; i++) {
    image.data[o++] = pixels[i];
    if (i % 3 === 2) image.data[o++] = 255;
  }
  scratch.width = scratch.height = side;
  scratch.getContext("2d").putImageData(image, 0, 0);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(scratch, 0, 0, canvas.width, canvas.height);
  return context;
}

/**
 * A view (size² × 3) under a map, as pixels.
 * @param map {values, side, limits}: one value per cell; those outside the limits are cut
 * @param look {style, opacity}: heat, or "spotlight", which leaves dark what is not read
 */
function mixed(view, size, { values, side, limits: [low, high] }, { style, opacity }) {
  const out = new Float32Array(view.length), table = HEAT[style];
  for (let i = 0; i < size * size; i++) {
    const row = Math.floor(Math.floor(i / size) * side / size), column = Math.floor(i % size * side / size);
    const share = high - low < 1e-9 ? 0.5 // a flat map is neither dark nor bright
      : Math.min(Math.max((values[row * side + column] - low) / (high - low), 0), 1);
    const grey = (view[3 * i] + view[3 * i + 1] + view[3 * i + 2]) / 3;
    for (let c = 0; c < 3; c++) {
      const pixel = view[3 * i + c];
      // The picture turns grey as heat comes, so that its colours are not taken for the map's.
      out[3 * i + c] = table
        ? (1 - opacity) * ((1 - opacity) * pixel + opacity * grey)
          + opacity * table[3 * Math.round(255 * share) + c]
        : pixel * (1 - Math.max(opacity, 0.3) * (1 - share));
    }
  }
  return out;
}

/** A frame around a cell, in two colours, which show on any ground. */
function drawCell(context, cell, side, thick) {
  const step = context.canvas.width / side, inset = step - thick;
  const place = [cell % side, Math.floor(cell / side)].map((at) => at * step + thick / 2);
  for (const [strokeStyle, lineWidth] of [["#000", thick], ["#fff", thick / 2]]) {
    Object.assign(context, { strokeStyle, lineWidth });
    context.strokeRect(...place, inset, inset);
  }
}

/** Each cell's share of the map's weight, in percent. */
function drawValues(context, values, side) {
  const step = context.canvas.width / side, sum = values.reduce((a, b) => a + b, 0) || 1;
  Object.assign(context, { font: `600 ${Math.round(step / 3.2)}px system-ui, sans-serif`,
    textAlign: "center", textBaseline: "middle", lineWidth: step / 14, strokeStyle: "#000",
    fillStyle: "#fff" });
  values.forEach((value, i) => {
    const place = [i % side, Math.floor(i / side)].map((at) => (at + 0.5) * step);
    context.strokeText((100 * value / sum).toFixed(1), ...place);
    context.fillText((100 * value / sum).toFixed(1), ...place);
  });
}

/** The edge of a mask (size², 0 and 1) that covers `extent` of the picture's pixels. */
function drawOutline(context, mask, size, [first, last]) {
  const scale = context.canvas.width / (last - first), path = new Path2D();
  const inside = (x, y) => x >= 0 && y >= 0 && x < size && y < size && mask[y * size + x] > 0;
  const line = (x, y, dx, dy) => {
    path.moveTo((x - first) * scale, (y - first) * scale);
    path.lineTo((x + dx - first) * scale, (y + dy - first) * scale);
  };
  for (let y = 0; y <= size; y++)
    for (let x = 0; x <= size; x++) {
      if (inside(x, y) !== inside(x - 1, y)) line(x, y, 0, 1);
      if (inside(x, y) !== inside(x, y - 1)) line(x, y, 1, 0);
    }
  for (const [colour, dashes] of [["#000", []], ["#fff", [10, 10]]]) {
    context.setLineDash(dashes);
    context.lineWidth = 4;
    context.strokeStyle = colour;
    context.stroke(path);
  }
  context.setLineDash([]);
}

/** The colours of the scale, from left to right, as a style. */
function scaleGradient(style) {
  const steps = STEPS[style]?.match(/.{6}/g) ?? ["000000", "ffffff"];
  return `linear-gradient(to right, ${steps.map((step) => `#${step}`).join()})`;
}

/** The cells of a map fly from the picture into the token that reads them: what pooling does. */
function flow(stage, tile, values, side, colour) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const from = stage.getBoundingClientRect(), to = tile.getBoundingClientRect();
  const high = limitsOf(values)[1] || 1, step = from.width / side, layer = document.createElement("div");
  layer.className = "flow";
  const strongest = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, 40);
  strongest.forEach((cell, order) => {
    const square = layer.appendChild(document.createElement("i"));
    const x = from.left + cell % side * step, y = from.top + Math.floor(cell / side) * step;
    square.style.cssText = `left:${x}px;top:${y}px;width:${step}px;height:${step}px;background:${colour}`;
    const transform = `translate(${to.left + to.width / 2 - x - step / 2}px,`
      + `${to.top + to.height / 2 - y - step / 2}px) scale(.15)`;
    square.animate([{ opacity: 0.15 + 0.7 * values[cell] / high }, { opacity: 0.3, transform }],
      { duration: 550, delay: 8 * order, easing: "ease-in", fill: "both" });
  });
  document.body.append(layer);
  setTimeout(() => layer.remove(), 950);
}

// The curve of a training

const CURVE = { width: 340, height: 170, left: 40, right: 330, top: 10, bottom: 132 };

function svg(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/** The accuracy over the epochs, with a cursor at one of them (from 0). */
function accuracyCurve(accuracy, epoch) {
  const { width, height, left, right, top, bottom } = CURVE, last = accuracy.length - 1;
  const [low, high] = limitsOf(accuracy).map((end, i) => (i ? Math.ceil : Math.floor)(10 * end) / 10);
  const x = (i) => left + (right - left) * i / Math.max(last, 1);
  const y = (value) => bottom - (bottom - top) * (value - low) / Math.max(high - low, 1e-9);
  const text = (words, x, y, anchor) => svg("text", { x, y, "text-anchor": anchor }, words);
  const out = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label":
    `Validation accuracy over the epochs, ${percent(accuracy[0], 0)} to ${percent(accuracy[last], 0)}; `
    + `${percent(accuracy[epoch])} after epoch ${epoch + 1}` });
  out.append(
    svg("path", { d: `M${left} ${top}V${bottom}H${right}`, class: "axis" }),
    svg("path", { d: `M${x(epoch)} ${top}V${bottom}`, class: "cursor" }),
    svg("polyline", { points: accuracy.map((value, i) => `${x(i)},${y(value)}`).join(" ") }),
    svg("circle", { cx: x(epoch), cy: y(accuracy[epoch]), r: 5 }),
    text(percent(high, 0), left - 6, top + 8, "end"), text(percent(low, 0), left - 6, bottom, "end"),
    text("1", left, bottom + 17, "middle"), text(last + 1, right, bottom + 17, "middle"),
    text("epoch: click the curve", (left + right) / 2, bottom + 32, "middle"));
  return out;
}

/** The epoch (from 0) at a place on the curve, `share` of its width from its left edge. */
function epochAt(share, count) {
  const place = (share * CURVE.width - CURVE.left) / (CURVE.right - CURVE.left) * (count - 1);
  return Math.min(Math.max(Math.round(place), 0), count - 1);
}

// Words

const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

/** How many cells, the strongest first, hold half of a map's weight. */
function cellsForHalf(values) {
  const sum = values.reduce((a, b) => a + b, 0);
  let held = 0;
  return 1 + [...values].sort((a, b) => b - a).findIndex((value) => (held += value) >= sum / 2);
}

/** Where a map looks and how concentrated it is: the words of `maps.describe_map`. */
function describeMap(values, side) {
  const sum = values.reduce((a, b) => a + b, 0), [, high] = limitsOf(values);
  if (!sum) return `0 on all ${values.length} cells`;
  const strongest = [...values.keys()].filter((i) => values[i] >= high * (1 - 1e-5));
  const where = strongest.length > 1 ? `on ${strongest.length} cells alike,`
    : `at ${cellName(strongest[0], side)}`;
  const weights = Array.from(values, (value) => value / sum);
  const mean = (place) => weights.reduce((all, weight, i) => all + weight * (place(i) + 0.5) / side, 0);
  const entropy = weights.reduce((all, weight) => all - (weight && weight * Math.log(weight)), 0)
    / Math.log(values.length);
  return `strongest ${where} of ${side} × ${side}; on the whole `
    + `${placeName(mean((i) => i % side), mean((i) => Math.floor(i / side)))}; half of its weight `
    + `lies on ${cellsForHalf(values)} of ${values.length} cells (entropy ${percent(entropy, 0)} of a `
    + "uniform map’s)";
}

const cellName = (cell, side) => `row ${Math.floor(cell / side)}, column ${cell % side}`;

function placeName(x, y) {
  const vertical = y < 0.45 ? "top" : y > 0.55 ? "bottom" : "";
  const horizontal = x < 0.45 ? "left" : x > 0.55 ? "right" : "";
  const words = `${vertical} ${horizontal}`.trim();
  return words ? `towards the ${words}` : "around the centre";
}
