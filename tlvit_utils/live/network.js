// The network in plain JavaScript: what `build_vit` builds, for one picture at a time.
//
// It computes what Keras computes at inference, layer by layer, from the weights that Python wrote
// into the page, so that every step can be read here and changed by the page. A grid of cells is a
// Float32Array, row by row, channels last, as in Keras; so are tokens, one row each.
//
// Left out: training, dropout, random crops, mixed precision, batches, and every layer that
// `build_vit` does not use. It is fast enough for a network of some 30 million multiply-adds per
// picture; for one ten times as large, take ONNX Runtime Web, which brings 14 MB of WebAssembly.
"use strict";

const EPSILON = 1e-6; // of every LayerNormalization in `blocks.py`

// Numbers as the page's data holds them

/** base64 -> Uint8Array */
function bytes(text) {
  const letters = atob(text), out = new Uint8Array(letters.length);
  for (let i = 0; i < out.length; i++) out[i] = letters.charCodeAt(i);
  return out;
}

/** base64 of bits as numpy.packbits packs them -> Uint8Array of 0 and 1 */
function bits(text, length) {
  const packed = bytes(text);
  return Uint8Array.from({ length }, (_, i) => (packed[i >> 3] >> (7 - (i & 7))) & 1);
}

/** base64 of little-endian float16 -> Float32Array */
function halves(text) {
  const half = new Uint16Array(bytes(text).buffer), out = new Float32Array(half.length);
  const word = new Uint32Array(out.buffer);
  for (let i = 0; i < half.length; i++) {
    const sign = (half[i] & 0x8000) << 16, exponent = (half[i] >> 10) & 31, rest = half[i] & 1023;
    if (exponent) word[i] = sign | ((exponent + 112) << 23) | (rest << 13);
    else out[i] = (sign ? -1 : 1) * rest * 2 ** -24;
  }
  return out;
}

// Products

/**
 * A matrix (k × m) prepared for `multiply`: four columns at a time lie together, row by row, and
 * the last ones are filled up with zeros. `at(row, column)` gives its numbers.
 */
function pack(k, m, at, bias = null, panels = new Float32Array(k * 4 * Math.ceil(m / 4))) {
  for (let j = 0, p = 0; j < m; j += 4)
    for (let l = 0; l < k; l++)
      for (let c = j; c < j + 4; c++) panels[p++] = c < m ? at(l, c) : 0;
  return { k, m, panels, bias };
}

/** The weights of a Dense layer or of a convolution, (…, m), as a matrix for `multiply`. */
function packed(kernel, bias = null) {
  const m = kernel.shape.at(-1), values = kernel.values;
  return pack(values.length / m, m, (row, column) => values[row * m + column], bias?.values);
}

/**
 * out = a b + bias, a being n × k, row by row. Blocks of 4 × 4 sums stay in registers; where n is
 * no multiple of 4, the last row is computed more than once. a and out may be some columns of wider
 * matrices, which begin at `aFrom` and `outFrom` and whose rows are `aWidth` and `outWidth` apart.
 */
function multiply(out, a, b, n, aWidth = b.k, aFrom = 0, outWidth = b.m, outFrom = 0) {
  const { k, m, panels, bias } = b;
  for (let i = 0; i < n; i += 4) {
    const i1 = Math.min(i + 1, n - 1), i2 = Math.min(i + 2, n - 1), i3 = Math.min(i + 3, n - 1);
    const a0 = aFrom + i * aWidth, a1 = aFrom + i1 * aWidth;
    const a2 = aFrom + i2 * aWidth, a3 = aFrom + i3 * aWidth;
    for (let j = 0; j < m; j += 4) {
      let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
      let s20 = 0, s21 = 0, s22 = 0, s23 = 0, s30 = 0, s31 = 0, s32 = 0, s33 = 0;
      for (let l = 0, p = j * k; l < k; l++, p += 4) {
        const b0 = panels[p], b1 = panels[p + 1], b2 = panels[p + 2], b3 = panels[p + 3];
        const x0 = a[a0 + l], x1 = a[a1 + l], x2 = a[a2 + l], x3 = a[a3 + l];
        s00 += x0 * b0; s01 += x0 * b1; s02 += x0 * b2; s03 += x0 * b3;
        s10 += x1 * b0; s11 += x1 * b1; s12 += x1 * b2; s13 += x1 * b3;
        s20 += x2 * b0; s21 += x2 * b1; s22 += x2 * b2; s23 += x2 * b3;
        s30 += x3 * b0; s31 += x3 * b1; s32 += x3 * b2; s33 += x3 * b3;
      }
      const columns = Math.min(4, m - j);
      for (let c = 0; c < columns; c++) {
        const offset = bias ? bias[j + c] : 0, o = outFrom + j + c;
        out[o + i * outWidth] = offset + (c < 2 ? (c ? s01 : s00) : c > 2 ? s03 : s02);
        out[o + i1 * outWidth] = offset + (c < 2 ? (c ? s11 : s10) : c > 2 ? s13 : s12);
        out[o + i2 * outWidth] = offset + (c < 2 ? (c ? s21 : s20) : c > 2 ? s23 : s22);
        out[o + i3 * outWidth] = offset + (c < 2 ? (c ? s31 : s30) : c > 2 ? s33 : s32);
      }
    }
  }
  return out;
}

/**
 * A convolution over a grid (rows × columns × dim) with Keras's padding "same": the numbers that
 * each output reads are gathered as one row, and then it is a product.
 */
function convolution({ rows, columns, dim }, kernel, stride, bias) {
  const [height, width, , filters] = kernel.shape, weights = packed(kernel, bias);
  const outRows = Math.ceil(rows / stride), outColumns = Math.ceil(columns / stride);
  const before = (size, out, side) => Math.max((out - 1) * stride + side - size, 0) >> 1;
  const above = before(rows, outRows, height), left = before(columns, outColumns, width);
  const gathered = new Float32Array(outRows * outColumns * weights.k);
  const out = new Float32Array(outRows * outColumns * filters);
  function run(x) {
    for (let row = 0, o = 0; row < outRows; row++)
      for (let column = 0; column < outColumns; column++) {
        const start = column * stride - left; // of the columns that are read; some lie outside
        const first = Math.max(0, -start), last = Math.min(width, columns - start);
        for (let v = 0; v < height; v++, o += width * dim) {
          const y = row * stride - above + v;
          if (y < 0 || y >= rows) continue; // what lies outside stays zero
          let from = (y * columns + start + first) * dim;
          for (let to = o + first * dim; to < o + last * dim; ) gathered[to++] = x[from++];
        }
      }
    return multiply(out, gathered, weights, outRows * outColumns);
  }
  return { run, shape: { rows: outRows, columns: outColumns, dim: filters } };
}

// Functions of single numbers and of rows

/** GELU in its tanh form: (1 + tanh u) / 2 is the sigmoid of 2u. */
const gelu = (x) => x / (1 + Math.exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)));
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** Change an array in place. */
function apply(x, activation) {
  for (let i = 0; i < x.length; i++) x[i] = activation(x[i]);
  return x;
}

function softmaxRows(x, width) {
  for (let i = 0; i < x.length; i += width) {
    let top = -Infinity, sum = 0;
    for (let j = i; j < i + width; j++) if (x[j] > top) top = x[j];
    for (let j = i; j < i + width; j++) sum += x[j] = Math.exp(x[j] - top);
    for (let j = i; j < i + width; j++) x[j] /= sum;
  }
  return x;
}

function layerNorm(out, x, { values: gamma }, { values: beta }, epsilon = EPSILON) {
  const dim = gamma.length;
  for (let i = 0; i < x.length; i += dim) {
    let mean = 0, variance = 0;
    for (let j = i; j < i + dim; j++) mean += x[j];
    mean /= dim;
    for (let j = i; j < i + dim; j++) variance += (x[j] - mean) * (x[j] - mean);
    const scale = 1 / Math.sqrt(variance / dim + epsilon);
    for (let j = 0; j < dim; j++) out[i + j] = (x[i + j] - mean) * scale * gamma[j] + beta[j];
  }
  return out;
}

/** Arrays that are made once and used again: `room("keys", 96)` has 96 numbers, of any value. */
function makeRoom() {
  const arrays = {};
  return (name, length) => {
    if (!(arrays[name]?.length >= length)) arrays[name] = new Float32Array(length);
    return arrays[name].subarray(0, length);
  };
}

// The layers. Each makes, from its facts and weights and the shape that comes in, a function `run`
// and the shape that goes out. What `run` returns is valid until it runs again.

/** Resize bilinearly, pad with zeros and cut out the centre; one line of the view after another. */
function centreView({ image_size, resized_size, padding, crop_size }, channels = 3) {
  const offset = ((resized_size + 2 * padding - crop_size) >> 1) - padding;
  const scale = image_size / resized_size;
  const lines = Array.from({ length: crop_size }, (_, i) => {
    const inside = offset + i >= 0 && offset + i < resized_size;
    const centre = Math.min(Math.max((offset + i + 0.5) * scale - 0.5, 0), image_size - 1);
    const first = Math.min(Math.floor(centre), Math.max(image_size - 2, 0));
    const share = centre - first;
    return { first, second: Math.min(first + 1, image_size - 1), share: inside ? share : 0,
      rest: inside ? 1 - share : 0 };
  });
  const out = new Float32Array(crop_size * crop_size * channels);
  function run(x) {
    let o = 0;
    for (const row of lines)
      for (const column of lines)
        for (let c = 0; c < channels; c++) {
          const at = (r, s) => x[(r * image_size + s) * channels + c];
          const across = (r) => column.rest * at(r, column.first)
            + column.share * at(r, column.second);
          out[o++] = row.rest * across(row.first) + row.share * across(row.second);
        }
    return out;
  }
  const extent = [offset * scale, (offset + crop_size) * scale];
  return { run, extent, shape: { rows: crop_size, columns: crop_size, dim: channels } };
}

/** A Transformer block, on any number of rows; the rows are changed in place. */
function transformerBlock({ num_heads: heads, key_dim: width, activate_last }, weights, shape, room) {
  const [gamma1, beta1, ...others] = weights, dim = gamma1.values.length, wide = heads * width;
  const flat = ({ values }, to) => ({ values, shape: [values.length / to, to] });
  const dense = (to) => packed(flat(others.shift(), to), others.shift());
  const [query, key, value] = [dense(wide), dense(wide), dense(wide)];
  const output = dense(dim), [gamma2, beta2] = others.splice(0, 2), mlp = [];
  while (others.length) mlp.push(packed(others.shift(), others.shift()));

  function attend(x, n) {
    const [q, k, v] = [["queries", query], ["keys", key], ["values", value]].map(
      ([name, matrix]) => multiply(room(name, n * wide), x, matrix, n));
    const mixed = room("mixed", n * wide), scores = room("scores", n * n);
    const scale = 1 / Math.sqrt(width), padded = (m) => 4 * Math.ceil(m / 4);
    for (let from = 0; from < wide; from += width) { // head by head
      const keys = pack(width, n, (c, token) => k[token * wide + from + c] * scale, null,
        room("packed keys", width * padded(n)));
      softmaxRows(multiply(scores, q, keys, n, wide, from), n);
      const values = pack(n, width, (token, c) => v[token * wide + from + c], null,
        room("packed values", n * padded(width)));
      multiply(mixed, scores, values, n, n, 0, wide, from);
    }
    return multiply(room("attended", n * dim), mixed, output, n);
  }

  function run(x) {
    const n = x.length / dim, normed = room("normed", x.length);
    const add = (y) => { for (let i = 0; i < x.length; i++) x[i] += y[i]; };
    add(attend(layerNorm(normed, x, gamma1, beta1), n));
    let hidden = layerNorm(normed, x, gamma2, beta2);
    mlp.forEach((matrix, i) => {
      hidden = multiply(room(`hidden ${i}`, n * matrix.m), hidden, matrix, n);
      if (activate_last || i < mlp.length - 1) apply(hidden, gelu);
    });
    add(hidden);
    return x;
  }
  return { run, shape };
}

const unchanged = (facts, weights, shape) => ({ run: (x) => x, shape });

const LAYERS = {
  Dropout: unchanged,
  Reshape: unchanged, // a grid is a sequence already, row by row
  TransformerBlock: transformerBlock,
  RandomCropFlip: (facts) => centreView(facts),

  Rescaling({ scale, offset }, weights, shape) {
    const out = new Float32Array(shape.rows * shape.columns * shape.dim);
    const [scales, offsets] = [scale, offset].map((x) => [0, 1, 2].map((c) => x[c] ?? x));
    function run(x) {
      for (let i = 0; i < out.length; i++) out[i] = x[i] * scales[i % 3] + offsets[i % 3];
      return out;
    }
    return { run, shape };
  },

  Conv2D: ({ strides }, [kernel, bias], shape) => convolution(shape, kernel, strides[0], bias),

  BatchNormalization({ epsilon }, [gamma, beta, mean, variance], shape) {
    const scales = gamma.values.map((g, j) => g / Math.sqrt(variance.values[j] + epsilon));
    const offsets = beta.values.map((b, j) => b - mean.values[j] * scales[j]);
    function run(x) {
      for (let i = 0; i < x.length; i += scales.length)
        for (let j = 0; j < scales.length; j++) x[i + j] = x[i + j] * scales[j] + offsets[j];
      return x;
    }
    return { run, shape };
  },

  ReLU: (facts, weights, shape) => ({ run: (x) => apply(x, (v) => Math.max(v, 0)), shape }),

  PatchEncoder(facts, [{ values: positions }], shape) {
    function run(x) {
      for (let i = 0; i < x.length; i++) x[i] += positions[i];
      return x;
    }
    return { run, shape };
  },

  LayerNormalization: ({ epsilon }, [gamma, beta], shape, room) => ({
    run: (x) => layerNorm(room("last norm", x.length), x, gamma, beta, epsilon), shape }),

  GlobalAveragePooling1D(facts, weights, shape) {
    function run(x) {
      const mean = new Float32Array(shape.dim), n = x.length / shape.dim;
      for (let i = 0; i < x.length; i++) mean[i % shape.dim] += x[i] / n;
      return mean;
    }
    return { run, shape };
  },

  Dense(facts, [kernel, bias], shape) {
    const matrix = packed(kernel, bias);
    const run = (x) => softmaxRows(multiply(new Float32Array(matrix.m), x, matrix, 1), matrix.m);
    return { run, shape: { dim: matrix.m } };
  },
};

// The layers that turn the grid into few tokens. Each makes a function from a grid to its maps, one
// after the other, and says how maps pool (and what, where that is not the grid itself).

const transposed = (x, width) => {
  const out = new Float32Array(x.length), n = x.length / width;
  for (let i = 0; i < n; i++) for (let j = 0; j < width; j++) out[j * n + i] = x[i * width + j];
  return out;
};

/** The product of each group's channels with its own kernel (dim / groups × dim / groups). */
function grouped(kernel, groups, dim) {
  const size = dim / groups;
  return pack(dim, dim, (row, column) =>
    Math.floor(row / size) === Math.floor(column / size)
      ? kernel.values[(row % size) * dim + column] : 0);
}

const REDUCTIONS = {
  TokenLearner({ pooling }, [gamma, beta, ...kernels], shape) {
    const normed = new Float32Array(shape.rows * shape.columns * shape.dim), convolutions = [];
    for (const kernel of kernels) {
      convolutions.push(convolution(shape, kernel, 1));
      shape = convolutions.at(-1).shape;
    }
    function maps(grid) {
      let x = layerNorm(normed, grid, gamma, beta);
      convolutions.forEach((each, i) => { x = apply(each.run(x), i < 3 ? gelu : sigmoid); });
      return transposed(x, shape.dim);
    }
    return { maps, pooling };
  },

  TokenLearnerV11(facts, [gamma, beta, kernel1, bias1, kernel2, bias2], { rows, columns, dim }) {
    const n = rows * columns, first = packed(kernel1, bias1), second = packed(kernel2, bias2);
    function maps(grid) {
      const normed = layerNorm(new Float32Array(n * dim), grid, gamma, beta);
      const hidden = apply(multiply(new Float32Array(n * first.m), normed, first, n), gelu);
      const logits = multiply(new Float32Array(n * second.m), hidden, second, n);
      return softmaxRows(transposed(logits, second.m), n);
    }
    return { maps, pooling: "softmax" };
  },

  GroupedTokenLearner({ num_groups }, weights, { rows, columns, dim }) {
    const [gamma, beta, mix, toLogits, toValues] = weights, n = rows * columns;
    const mixing = grouped(mix, num_groups, dim), logits = packed(toLogits);
    const valuing = grouped(toValues, num_groups, dim);
    function maps(grid) {
      const normed = layerNorm(new Float32Array(n * dim), grid, gamma, beta);
      const mixed = multiply(new Float32Array(n * dim), normed, mixing, n);
      const out = multiply(new Float32Array(n * logits.m), mixed, logits, n);
      return softmaxRows(transposed(out, logits.m), n);
    }
    const values = (grid) => multiply(new Float32Array(n * dim), grid, valuing, n);
    return { maps, values, pooling: "softmax" };
  },
};

// The network

/** The weights of a model, layer by layer: [{name, shape, values}, …] each. */
function readWeights({ name, layers, float16, float32 }) {
  const stores = { float16: halves(float16), float32: new Float32Array(bytes(float32).buffer) };
  const at = { float16: 0, float32: 0 };
  const read = layers.map(({ weights }) => weights.map(([name, shape, dtype]) => {
    const end = at[dtype] + shape.reduce((a, b) => a * b, 1);
    const values = stores[dtype].subarray(at[dtype], end);
    at[dtype] = end;
    return { name, shape, values };
  }));
  for (const dtype of ["float16", "float32"])
    if (at[dtype] !== stores[dtype].length)
      throw new Error(`The network ${name} needs ${at[dtype]} weights in ${dtype}, but the page `
        + `holds ${stores[dtype].length}.`);
  return read;
}

/** Weights of the same shapes, drawn as Keras draws them before training. */
function drawWeights(read, seed) {
  let state = (seed * 2654435761 + 1) >>> 0;
  function uniform(limit) { // Marsaglia's xorshift
    state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
    return limit * ((state >>> 0) / 2 ** 31 - 1);
  }
  for (let i = 0; i < 10; i++) uniform(1); // neighbouring seeds drift apart
  return read.map((weights) => weights.map(({ name, shape, values }) => {
    let next = () => 0;
    if (name === "gamma" || name === "moving_variance") next = () => 1;
    else if (name === "embeddings") next = () => uniform(0.05);
    else if (name === "kernel") {
      const [from, to] = shape.slice(-2), field = values.length / (from * to);
      next = () => uniform(Math.sqrt(6 / (field * (from + to))));
    }
    return { name, shape, values: values.map(next) };
  }));
}

/** The network of one entry in the page's data; `weights` as `readWeights` returns them. */
function buildNetwork(model, weights = readWeights(model)) {
  const room = makeRoom(), facts = (kind) => model.layers.find((layer) => layer.kind === kind);
  const cut = facts("RandomCropFlip"), size = cut.image_size;
  const before = [], after = [];
  let shape = { rows: size, columns: size, dim: 3 }, steps = before, reduction = null, grid;
  const without = !model.layers.some(({ kind }) => kind in REDUCTIONS);
  model.layers.forEach((layer, i) => {
    if (layer.kind in REDUCTIONS) {
      reduction = { learned: true, ...layer, ...REDUCTIONS[layer.kind](layer, weights[i], shape) };
    } else if (layer.kind in LAYERS) {
      if (without && layer.kind === "TransformerBlock") steps = after;
      const step = LAYERS[layer.kind](layer, weights[i], shape, room);
      if (steps === before || steps.length === 0) grid = steps === before ? step.shape : shape;
      steps.push({ name: layer.name, run: step.run });
      shape = step.shape;
    } else {
      throw new Error(`The network ${model.name} has a layer ${layer.kind}, which this page does `
        + "not know.");
    }
    if (layer.kind in REDUCTIONS) steps = after;
  });
  const cells = grid.rows * grid.columns, dim = grid.dim, camera = centreView(cut);

  function through(steps, x, trace) {
    for (const { name, run } of steps) {
      x = run(x);
      trace?.(name, x);
    }
    return x;
  }

  const maps = (grid) => reduction && reduction.maps(grid);

  /** Pool a grid with any maps of at least 0 as the layer pools its own. */
  function pool(grid, maps) {
    if (!reduction) return grid.slice();
    const n = maps.length / cells, values = reduction.values ? reduction.values(grid) : grid;
    const matrix = pack(cells, dim, (cell, channel) => values[cell * dim + channel], null,
      room("packed grid", cells * 4 * Math.ceil(dim / 4)));
    const tokens = multiply(new Float32Array(n * dim), maps, matrix, n);
    if (reduction.pooling === "sum") return tokens;
    for (let t = 0; t < n; t++) {
      let divisor = cells;
      if (reduction.pooling !== "mean") {
        divisor = reduction.pooling === "weighted_mean" ? EPSILON : 0;
        for (let i = t * cells; i < (t + 1) * cells; i++) divisor += maps[i];
      }
      for (let i = t * dim; i < (t + 1) * dim; i++) tokens[i] /= divisor;
    }
    return tokens;
  }

  const predict = (tokens, trace) => through(after, tokens.slice(), trace);

  /** All of it, for one picture: 0..255, rows of RGB. */
  function run(pixels, trace) {
    const seen = camera.run(pixels).slice();
    const grid = through(before, pixels, trace).slice(), drawn = maps(grid);
    const tokens = pool(grid, drawn);
    if (reduction && trace) [["maps", drawn], ["tokens", tokens]].forEach((each) => trace(...each));
    return { view: seen, grid, maps: drawn, tokens, probabilities: predict(tokens, trace) };
  }

  return {
    name: model.name, imageSize: size, viewSize: cut.crop_size, extent: camera.extent,
    rows: grid.rows, columns: grid.columns, dim, classes: shape.dim,
    numTokens: reduction ? reduction.num_tokens : cells,
    reduction: reduction && { kind: reduction.kind, pooling: reduction.pooling,
      learned: reduction.learned },
    run, maps, pool, predict,
    randomised: (seed) => buildNetwork(model, drawWeights(weights, seed)),
  };
}

// Changes that the page makes

/** Some of the tokens (rows of dim numbers), in the order of `indices`. */
function keepTokens(tokens, dim, indices) {
  const out = new Float32Array(indices.length * dim);
  indices.forEach((token, i) => out.set(tokens.subarray(token * dim, (token + 1) * dim), i * dim));
  return out;
}

/** Each map with its own mean on every cell: the token knows what is there, but not where. */
function flatMaps(maps, cells) {
  const out = new Float32Array(maps.length);
  for (let from = 0; from < maps.length; from += cells) {
    let sum = 0;
    for (let i = from; i < from + cells; i++) sum += maps[i];
    out.fill(sum / cells, from, from + cells);
  }
  return out;
}

/** Every map replaced by the mean of all maps. */
function meanMap(maps, cells) {
  const mean = new Float32Array(cells), count = maps.length / cells;
  for (let i = 0; i < maps.length; i++) mean[i % cells] += maps[i] / count;
  return Float32Array.from(maps, (_, i) => mean[i % cells]);
}

/** A network's maps after every epoch of its training, as the page's data holds them. */
function epochMaps({ val_accuracy, pictures, levels, limits }) {
  const [values, ends] = [bytes(levels), halves(limits)]; // each map's levels, lowest and highest
  const cells = values.length / (ends.length / 2);
  const length = values.length / (val_accuracy.length * pictures.length); // of one picture's maps
  return { accuracy: val_accuracy, pictures,
    /** The maps of the n-th of `pictures` after an epoch (from 0), one after the other. */
    maps(epoch, n) {
      const from = (epoch * pictures.length + n) * length;
      return Float32Array.from({ length }, (_, i) => {
        const end = 2 * Math.floor((from + i) / cells);
        return ends[end] + (ends[end + 1] - ends[end]) * values[from + i] / 255;
      });
    } };
}
