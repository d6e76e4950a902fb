// A picture of one's own, made as small as the network takes it: what Pillow's `ImageOps.fit` gives,
// to one grey level. A browser's own drawing would shrink in a way that no two browsers share.
"use strict";

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
 * Mix pixels along `lines` lines of a picture, which begin at `from` and are `line` numbers apart,
 * as their pixels are `pixel` numbers apart; what comes out is rounded, and so far apart, too.
 */
function mixLines(data, from, lines, [line, pixel], pixels, [outLine, outPixel]) {
  const out = new Uint8ClampedArray(lines * pixels.length * 3);
  for (let n = 0; n < lines; n++)
    pixels.forEach(({ first, weights }, i) => {
      for (let c = 0; c < 3; c++) {
        let sum = 0.5, at = from + n * line + first * pixel + c;
        for (let j = 0; j < weights.length; j++, at += pixel) sum += weights[j] * data[at];
        out[n * outLine + i * outPixel + c] = Math.floor(sum);
      }
    });
  return out;
}

/**
 * The largest square in the middle of a picture, `size` × `size`, rows of RGB, 0..255. As in Pillow,
 * it is mixed along its rows first, and along its columns where it is very tall.
 *
 * @param picture an ImageData, or {width, height, data}, without transparent pixels
 */
function shrink({ width, height, data }, size) {
  const side = Math.min(width, height), tall = height > size && height - size > 2 * (width - size);
  const rows = [3 * size, 3], columns = [3, 3 * size];
  const [across, down] = [width, height].map((length) =>
    bicubicWeights(length, (length - side) / 2, side, size));
  const [one, other] = tall ? [down, across] : [across, down];
  const begin = other[0].first, lines = other.at(-1).first + other.at(-1).weights.length - begin;
  const steps = tall ? [4, 4 * width] : [4 * width, 4];
  const narrow = mixLines(data, begin * steps[0], lines, steps, one, rows);
  return mixLines(narrow, -begin * 3 * size, size, columns, other, tall ? rows : columns);
}
