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

/** Lay transparent pixels of RGBA on grey, in place. */
function layOnGrey(data) {
  for (let i = 0; i < data.length; i += 4) {
    const opacity = data[i + 3] / 255;
    if (opacity === 1) continue;
    for (let c = i; c < i + 3; c++) data[c] = opacity * data[c] + (1 - opacity) * GREY;
    data[i + 3] = 255;
  }
}

/**
 * The largest square in the middle of a picture, `size` × `size`, rows of RGB, 0..255. As in Pillow,
 * the first pass goes along the rows, or along the columns of a very tall picture, and rounds.
 *
 * @param picture an ImageData, or {width, height, data}; its transparent pixels are laid on grey
 */
function shrink({ width, height, data }, size) {
  layOnGrey(data);
  const side = Math.min(width, height);
  const axis = (length, step, outStep) => // how far apart its pixels are, before and after
    ({ step, outStep, pixels: bicubicWeights(length, (length - side) / 2, side, size) });
  const across = axis(width, 4, 3), down = axis(height, 4 * width, 3 * size);
  const tall = height > size && height - size > 2 * (width - size);
  const [one, other] = tall ? [down, across] : [across, down];
  const last = other.pixels.at(-1), begin = other.pixels[0].first;
  const lines = last.first + last.weights.length - begin; // of the picture that are used
  const narrow = new Uint8ClampedArray(lines * size * 3);
  for (let line = 0, o = 0; line < lines; line++)
    for (const { first, weights } of one.pixels) {
      let red = 0, green = 0, blue = 0, i = (begin + line) * other.step + first * one.step;
      for (let j = 0; j < weights.length; j++, i += one.step) {
        red += weights[j] * data[i];
        green += weights[j] * data[i + 1];
        blue += weights[j] * data[i + 2];
      }
      for (const sum of [red, green, blue]) narrow[o++] = Math.floor(sum + 0.5);
    }
  const out = new Uint8ClampedArray(size * size * 3);
  other.pixels.forEach(({ first, weights }, place) => {
    for (let i = 0; i < 3 * size; i++) {
      let sum = 0;
      for (let j = 0; j < weights.length; j++)
        sum += weights[j] * narrow[(first - begin + j) * 3 * size + i];
      out[place * other.outStep + Math.floor(i / 3) * one.outStep + i % 3] = Math.floor(sum + 0.5);
    }
  });
  return out;
}
