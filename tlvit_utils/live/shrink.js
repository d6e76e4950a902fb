// A picture of one's own, made as small as the network takes it: what Pillow's `ImageOps.fit` gives,
// to one grey level. A browser's own drawing would shrink in a way that no two browsers share.
"use strict";

/** For each of `size` pixels: the first of the pixels that it is made of, and their weights. The
 * pixels span the middle `side` of a line of `length`. Bicubic, as wide as the line shrinks. */
function bicubicWeights(length, side, size) {
  const scale = side / size, wide = Math.max(scale, 1);
  const curve = (x) =>
    x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  return Array.from({ length: size }, (_, i) => {
    const centre = (length - side) / 2 + (i + 0.5) * scale;
    const first = Math.max(Math.floor(centre - 2 * wide + 0.5), 0);
    const end = Math.min(Math.floor(centre + 2 * wide + 0.5), length);
    const weights = Float64Array.from({ length: end - first }, (_, j) =>
      curve(Math.abs((first + j + 0.5 - centre) / wide)));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** Shrink each of some lines of RGB, `length` pixels long, to `size` pixels. The steps are from a line
 * to the next and from a pixel to the next, in what comes in and in what goes out. */
function shrinkLines(data, lines, length, side, size, [line, pixel], [outLine, outPixel]) {
  const out = new Uint8ClampedArray(3 * lines * size);
  bicubicWeights(length, side, size).forEach(({ first, weights }, i) => {
    for (let n = 0; n < lines; n++)
      for (let c = 0; c < 3; c++) {
        let sum = 0.5, at = n * line + first * pixel + c;
        for (let j = 0; j < weights.length; j++, at += pixel) sum += weights[j] * data[at];
        out[n * outLine + i * outPixel + c] = Math.floor(sum);
      }
  });
  return out;
}

/**
 * The largest square in the middle of a picture, `size` × `size`, rows of RGB, 0..255. As in Pillow,
 * its rows shrink first, or its columns where it is very tall; about a million pixels at a time, so
 * that the reader can type meanwhile.
 *
 * @param picture its width, its height, and `cut(left, top, width, height)`: a part as rows of RGBA
 */
async function shrink({ width, height, cut }, size) {
  const side = Math.min(width, height), tall = height > size && height - size > 2 * (width - size);
  const [length, count] = tall ? [height, width] : [width, height], block = Math.ceil(1e6 / length);
  const half = new Uint8ClampedArray(3 * count * size); // each line is `size` pixels long
  for (let n = 0; n < count; n += block) {
    await new Promise((go) => setTimeout(go));
    const lines = Math.min(block, count - n);
    const data = tall ? cut(n, 0, lines, height) : cut(0, n, width, lines);
    const steps = tall ? [4, 4 * lines] : [4 * width, 4];
    half.set(shrinkLines(data, lines, length, side, size, steps, [3 * size, 3]), 3 * size * n);
  }
  return shrinkLines(half, size, count, side, size, [3, 3 * size], tall ? [3 * size, 3] : [3, 3 * size]);
}
