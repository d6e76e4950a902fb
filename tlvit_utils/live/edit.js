// What one can do to a picture and to a map. All of it is kept as short text, so that it fits into
// the page's address: dabs of three letters, a painted map of one digit per cell.
"use strict";

const MOVE = "m";
const PENS = { // the letter of each in a dab, its colour, and its radius as a share of the side
  [MOVE]: { name: "move the object" },
  w: { name: "white brush", colour: [255, 255, 255], radius: 0.06 },
  k: { name: "black brush", colour: [0, 0, 0], radius: 0.06 },
  r: { name: "red brush", colour: [200, 40, 40], radius: 0.06 },
  g: { name: "green brush", colour: [60, 140, 50], radius: 0.06 },
  b: { name: "blue brush", colour: [90, 150, 220], radius: 0.06 },
  p: { name: "grey patch", colour: [128, 128, 128], radius: 0.125, square: true },
  e: { name: "eraser", radius: 0.1 },
};
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

/** The picture without its object: the hole takes the colour that most pixels outside it have, which
 * in a scene is that of the ground. */
function withoutObject(pixels, mask) {
  const out = Float32Array.from(pixels), outside = [...mask.keys()].filter((i) => !mask[i]);
  const alike = Map.groupBy(outside, (i) => rowOf(pixels, i, 3).join());
  const [ground] = [...alike.values()].sort((a, b) => b.length - a.length);
  mask.forEach((inside, i) => inside && ground && out.set(rowOf(pixels, ground[0], 3), 3 * i));
  return out;
}

/** The mask of an object that has moved and is still inside the picture. */
const movedMask = (mask, size, dx, dy) => mask.map((_, i) => mask[i - dy * size - dx]);

/** The object moved onto the picture that `withoutObject` gives. */
function moveObject(pixels, empty, size, mask, dx, dy) {
  const out = Float32Array.from(empty);
  movedMask(mask, size, dx, dy).forEach((there, i) => {
    const from = 3 * (i - dy * size - dx);
    if (there) out.set(pixels.subarray(from, from + 3), 3 * i);
  });
  return out;
}

/** The box around the object, or the whole picture: the first pixel and the one after the last. */
function boxOf(mask, size) {
  if (!mask) return [0, 0, size, size]; // left, top, right, bottom
  const inside = [...mask.keys()].filter((i) => mask[i]);
  const [left, right] = limitsOf(inside.map((i) => i % size));
  const [top, bottom] = limitsOf(inside.map((i) => Math.floor(i / size)));
  return [left, top, right + 1, bottom + 1];
}

/** A painted map of the middle of the picture, as text. */
const centreMap = (side) => Array.from({ length: side * side }, (_, cell) =>
  centreOf(cell, side).every((at) => Math.abs(at - 0.5) <= 0.25) ? 9 : 0).join("");
