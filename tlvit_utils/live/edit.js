// What one can do to a picture and to a map. All of it is kept as short text, so that it fits into
// the page's address: dabs of three letters, a painted map of one digit per cell.
"use strict";

const PENS = { // the letter of each in a dab, its colour, and its radius as a share of the side
  w: { name: "white brush", colour: [255, 255, 255], radius: 0.06 },
  k: { name: "black brush", colour: [0, 0, 0], radius: 0.06 },
  r: { name: "red brush", colour: [200, 40, 40], radius: 0.06 },
  g: { name: "green brush", colour: [60, 140, 50], radius: 0.06 },
  b: { name: "blue brush", colour: [90, 150, 220], radius: 0.06 },
  p: { name: "grey patch", colour: [128, 128, 128], radius: 0.125, square: true },
  e: { name: "eraser", radius: 0.1 },
};
const MOVE = "m"; // the pen that moves the object
const DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

/** One dab at a place, given as shares of the picture's side: pen, column and row of 64. */
function dab(pen, x, y) {
  const digit = (share) => DIGITS[Math.min(Math.max(Math.floor(64 * share), 0), 63)];
  return pen + digit(x) + digit(y);
}

/** Paint dabs on pixels (size² × 3); the eraser brings back what was there before. */
function paintDabs(pixels, size, dabs) {
  const out = Float32Array.from(pixels);
  for (let i = 0; i + 2 < dabs.length; i += 3) {
    const { colour, radius, square } = PENS[dabs[i]];
    const [x, y] = [dabs[i + 1], dabs[i + 2]].map((digit) => (DIGITS.indexOf(digit) + 0.5) / 64 * size);
    const reach = radius * size, inside = (dx, dy) => square
      ? Math.max(Math.abs(dx), Math.abs(dy)) <= reach : dx * dx + dy * dy <= reach * reach;
    for (let row = Math.max(0, Math.floor(y - reach)); row < Math.min(size, y + reach); row++)
      for (let column = Math.max(0, Math.floor(x - reach)); column < Math.min(size, x + reach); column++)
        if (inside(column + 0.5 - x, row + 0.5 - y))
          for (let c = 0, p = 3 * (row * size + column); c < 3; c++, p++)
            out[p] = colour ? colour[c] : pixels[p];
  }
  return out;
}

/** The colour that most pixels outside the mask have, if a fair share of them has it; or null. */
function groundColour(pixels, mask) {
  const counts = new Map();
  let outside = 0, best = null, most = 0;
  for (let i = 0; i < mask.length; i++) {
    if (mask[i]) continue;
    const colour = pixels[3 * i] << 16 | pixels[3 * i + 1] << 8 | pixels[3 * i + 2];
    const count = (counts.get(colour) ?? 0) + 1;
    counts.set(colour, count);
    outside++;
    if (count > most) [best, most] = [colour, count];
  }
  return most > outside / 20 ? [best >> 16, best >> 8 & 255, best & 255] : null;
}

/**
 * The picture without its object. A scene has a ground of one colour, which fills the hole; in
 * another picture the surroundings grow into it, ring by ring.
 */
function withoutObject(pixels, size, mask) {
  const out = Float32Array.from(pixels), hole = Uint8Array.from(mask), ground = groundColour(pixels, mask);
  let rest = [...hole.keys()].filter((i) => hole[i]);
  while (rest.length) {
    const ring = [];
    for (const i of rest) {
      const near = ground ? [] : neighbours(i, size).filter((j) => !hole[j]);
      if (ground) out.set(ground, 3 * i);
      else for (let c = 0; c < 3; c++)
        out[3 * i + c] = near.reduce((sum, j) => sum + out[3 * j + c], 0) / (near.length || 1);
      if (ground || near.length) ring.push(i);
    }
    if (!ring.length) break; // the object is all there is
    for (const i of ring) hole[i] = 0;
    rest = rest.filter((i) => hole[i]);
  }
  return out;
}

function neighbours(i, size) {
  const x = i % size, out = [];
  if (x > 0) out.push(i - 1);
  if (x < size - 1) out.push(i + 1);
  if (i >= size) out.push(i - size);
  if (i < size * (size - 1)) out.push(i + size);
  return out;
}

/** The mask moved; what leaves the picture is lost. */
function movedMask(mask, size, dx, dy) {
  return mask.map((_, i) => {
    const x = i % size - dx, y = Math.floor(i / size) - dy;
    return x >= 0 && y >= 0 && x < size && y < size ? mask[y * size + x] : 0;
  });
}

/** The object moved onto the picture that `withoutObject` gives. */
function moveObject(pixels, empty, size, mask, dx, dy) {
  const out = Float32Array.from(empty);
  movedMask(mask, size, dx, dy).forEach((there, i) => {
    const from = 3 * (i - dy * size - dx);
    if (there) out.set(pixels.subarray(from, from + 3), 3 * i);
  });
  return out;
}

/** How far the object can go without leaving the picture: [least, most] along x, and along y. */
function roomToMove(mask, size) {
  const at = [...mask.keys()].filter((i) => mask[i]);
  const [left, right] = limitsOf(at.map((i) => i % size));
  const [top, bottom] = limitsOf(at.map((i) => Math.floor(i / size)));
  return [[-left, size - 1 - right], [-top, size - 1 - bottom]];
}

// Maps

/** A painted map as text, from 0 to 9 for the cell's share of the highest weight. */
function mapText(values) {
  const [, high] = limitsOf(values);
  return Array.from(values, (value) => Math.round(9 * value / (high || 1))).join("");
}

const mapValues = (text) => Float32Array.from(text, (digit) => Number(digit) / 9);

const STARTS = { // maps to start painting from, besides the learned one: weight by row and column
  even: () => 1,
  centre: (row, column, rows, columns) =>
    Math.abs(row + 0.5 - rows / 2) <= rows / 4 && Math.abs(column + 0.5 - columns / 2) <= columns / 4,
  edge: (row, column, rows, columns) =>
    row === 0 || column === 0 || row === rows - 1 || column === columns - 1,
  empty: () => 0,
};

function startMap(name, rows, columns) {
  return Float32Array.from({ length: rows * columns }, (_, i) =>
    Number(STARTS[name](Math.floor(i / columns), i % columns, rows, columns)));
}

/**
 * Put a painted map in place of one learned map, or of all (target -1). It takes the learned map's
 * sum, so that only the place of the weight changes, not its amount.
 */
function replaceMaps(maps, cells, target, painted) {
  const out = maps.slice(), total = painted.reduce((a, b) => a + b, 0);
  for (let token = 0; token * cells < maps.length; token++) {
    if (target >= 0 && target !== token) continue;
    const learned = maps.subarray(token * cells, (token + 1) * cells);
    const scale = learned.reduce((a, b) => a + b, 0) / total;
    out.set(painted.map((weight) => weight * scale), token * cells);
  }
  return out;
}

/** The maps with the cells of each in another order, the same in every call with this seed. */
function shuffledMaps(maps, cells, seed) {
  const out = maps.slice();
  let number = seed + 1;
  for (let from = 0; from < out.length; from += cells)
    for (let i = cells - 1; i > 0; i--) {
      number = (Math.imul(number, 1664525) + 1013904223) >>> 0;
      const j = Math.floor(number / 2 ** 32 * (i + 1));
      [out[from + i], out[from + j]] = [out[from + j], out[from + i]];
    }
  return out;
}
