// A picture of one's own, made as small as the network takes it: what Pillow's `ImageOps.fit` gives,
// to one grey level. A browser's own drawing would shrink in a way that no two browsers share.
"use strict";

const GREY = 128; // behind transparent parts: neither a dark nor a light subject vanishes on it

/**
 * For each of `size` pixels: the first of the pixels that it is made of, and their weights. The
 * pixels span `from` to `from + side` of a line of `length`. Bicubic, as wide as the line shrinks.
 */
function bicubicWeights(length, from, side, size) {
  const scale = side / size, wide = Math.max(scale, 1);
  const curve = (x) =>
    x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  return Array.from({ length: size }, (_, i) => {
    const centre = from + (i + 0.5) * scale;
    const first = Math.max(Math.floor(centre - 2 * wide + 0.5), 0);
    const end = Math.min(Math.floor(centre + 2 * wide + 0.5), length);
    const weights = Float64Array.from({ length: end - first }, (_, j) =>
      curve(Math.abs((first + j + 0.5 - centre) / wide)));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/**
 * The largest square in the middle of a picture, `size` × `size`, rows of RGB, 0..255.
 *
 * @param picture {width, height, data}, data being rows of RGBA as in an ImageData
 */
function shrink({ width, height, data }, size) {
  const side = Math.min(width, height);
  const columns = bicubicWeights(width, (width - side) / 2, side, size);
  const rows = bicubicWeights(height, (height - side) / 2, side, size);
  const top = rows[0].first, bottom = rows.at(-1).first + rows.at(-1).weights.length;
  const narrow = new Uint8ClampedArray((bottom - top) * size * 3); // rounds as it is written
  for (let y = top, o = 0; y < bottom; y++)
    for (const { first, weights } of columns) {
      let red = 0, green = 0, blue = 0;
      for (let j = 0, i = 4 * (y * width + first); j < weights.length; j++, i += 4) {
        const there = weights[j] * data[i + 3] / 255, behind = (weights[j] - there) * GREY;
        red += there * data[i] + behind;
        green += there * data[i + 1] + behind;
        blue += there * data[i + 2] + behind;
      }
      narrow[o++] = red; narrow[o++] = green; narrow[o++] = blue;
    }
  const out = new Uint8ClampedArray(size * size * 3);
  rows.forEach(({ first, weights }, row) => {
    for (let column = 0; column < 3 * size; column++) {
      let sum = 0;
      for (let j = 0; j < weights.length; j++)
        sum += weights[j] * narrow[(first - top + j) * 3 * size + column];
      out[row * 3 * size + column] = sum;
    }
  });
  return out;
}
