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

const EPSILON = 1e-6; // of the LayerNormalizations inside blocks and TokenLearners
const SUM_EPSILON = 1e-4; // of the weighted mean

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

const padded = (m) => 4 * Math.ceil(m / 4);

/**
 * A matrix (k × m) prepared for `multiply`: four columns at a time lie together, row by row, and
 * the last ones are filled up with zeros. Its numbers begin at `from` in `values`, and its rows and
 * columns are so many steps apart there.
 */
function pack(values, k, m, { from = 0, rowStep = m, columnStep = 1, bias, panels } = {}) {
  panels ??= new Float32Array(k * padded(m));
  for (let j = 0, p = 0; j < m; j += 4)
    for (let l = 0, at = from + j * columnStep; l < k; l++, at += rowStep)
      for (let c = 0; c < 4; c++) panels[p++] = j + c < m ? values[at + c * columnStep] : 0;
  return { k, m, panels, bias };
}

/** The weights of a Dense layer or of a convolution, (…, m), as a matrix for `multiply`. */
function packed({ values, shape }, bias) {
  const m = shape.at(-1);
  return pack(values, values.length / m, m, { bias: bias?.values });
}

const tile = new Float32Array(16);

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
      tile[0] = s00; tile[1] = s01; tile[2] = s02; tile[3] = s03;
      tile[4] = s10; tile[5] = s11; tile[6] = s12; tile[7] = s13;
      tile[8] = s20; tile[9] = s21; tile[10] = s22; tile[11] = s23;
      tile[12] = s30; tile[13] = s31; tile[14] = s32; tile[15] = s33;
      const columns = Math.min(4, m - j);
      for (let r = 0, o = outFrom + i * outWidth + j; r < 4 && i + r < n; r++, o += outWidth)
        for (let c = 0; c < columns; c++) out[o + c] = tile[4 * r + c];
    }
  }
  if (bias)
    for (let i = 0, o = outFrom; i < n; i++, o += outWidth)
      for (let j = 0; j < m; j++) out[o + j] += bias[j];
  return out;
}

/**
 * A convolution over a grid with Keras's padding "same": the numbers that each output reads are
 * gathered as one row, and then it is a product.
 */
function convolution({ rows, columns, dim }, kernel, [down, right], bias) {
  const [height, width, , filters] = kernel.shape, matrix = packed(kernel, bias);
  const outRows = Math.ceil(rows / down), outColumns = Math.ceil(columns / right);
  const outside = (size, out, step, side) => Math.max((out - 1) * step + side - size, 0) >> 1;
  const above = outside(rows, outRows, down, height);
  const left = outside(columns, outColumns, right, width);
  const gathered = new Float32Array(outRows * outColumns * matrix.k); // zero where nothing is
  const out = new Float32Array(outRows * outColumns * filters);
  function run(x) {
    for (let row = 0, o = 0; row < outRows; row++)
      for (let column = 0; column < outColumns; column++) {
        const start = column * right - left;
        const first = Math.max(0, -start), last = Math.min(width, columns - start);
        for (let v = 0; v < height; v++, o += width * dim) {
          const y = row * down - above + v;
          if (y < 0 || y >= rows) continue;
          let from = (y * columns + start + first) * dim;
          for (let to = o + first * dim; to < o + last * dim; ) gathered[to++] = x[from++];
        }
      }
    return multiply(out, gathered, matrix, outRows * outColumns);
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
    const share = 1 / sum;
    for (let j = i; j < i + width; j++) x[j] *= share;
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

// The layers. Each makes, from its facts, its weights and the shape that comes in, a function `run`
// and the shape that goes out. Most change what comes in, in place; what `run` returns is valid
// until it runs again.

/** Resize bilinearly, pad with zeros and cut out the centre: `augment.RandomCropFlip`. */
function centreView({ image_size, resized_size, padding, crop_size }) {
  const offset = ((resized_size + 2 * padding - crop_size) >> 1) - padding;
  const scale = image_size / resized_size;
  const lines = Array.from({ length: crop_size }, (_, i) => {
    const line = offset + i, inside = line >= 0 && line < resized_size ? 1 : 0;
    const centre = Math.min(Math.max((line + 0.5) * scale - 0.5, 0), image_size - 1);
    const first = Math.min(Math.floor(centre), Math.max(image_size - 2, 0)), share = centre - first;
    const second = Math.min(first + 1, image_size - 1);
    return { first, second, rest: inside * (1 - share), share: inside * share };
  });
  const out = new Float32Array(crop_size * crop_size * 3);
  function run(x) {
    let o = 0;
    for (const row of lines)
      for (const column of lines)
        for (let c = 0; c < 3; c++) {
          const one = (row.first * image_size + column.first) * 3 + c;
          const right = 3 * (column.second - column.first);
          const two = one + 3 * (row.second - row.first) * image_size;
          out[o++] = row.rest * (column.rest * x[one] + column.share * x[one + right])
            + row.share * (column.rest * x[two] + column.share * x[two + right]);
        }
    return out;
  }
  const extent = [offset * scale, (offset + crop_size) * scale];
  return { run, extent, shape: { rows: crop_size, columns: crop_size, dim: 3 } };
}

/** A Transformer block, on any number of rows. */
function transformerBlock({ num_heads, key_dim: width, activate_last, weights }, shape, room) {
  const [gamma1, beta1, ...others] = weights, dim = shape.dim, wide = num_heads * width;
  const dense = (to) => { // attention's kernels have an axis for the heads
    const [{ values }, bias] = others.splice(0, 2);
    return packed({ values, shape: [to] }, bias);
  };
  const [queries, keys, values, output] = [wide, wide, wide, dim].map(dense);
  const [gamma2, beta2] = others.splice(0, 2), mlp = [];
  while (others.length) mlp.push(packed(...others.splice(0, 2)));

  function attend(x, n) {
    const q = multiply(room("queries", n * wide), x, queries, n);
    const k = multiply(room("keys", n * wide), x, keys, n);
    const v = multiply(room("values", n * wide), x, values, n);
    const mixed = room("mixed", n * wide), scores = room("scores", n * n);
    for (let i = 0; i < q.length; i++) q[i] /= Math.sqrt(width);
    for (let from = 0; from < wide; from += width) { // head by head
      const asked = pack(k, width, n, { from, rowStep: 1, columnStep: wide,
        panels: room("packed keys", width * padded(n)) });
      const read = pack(v, n, width, { from, rowStep: wide,
        panels: room("packed values", n * padded(width)) });
      softmaxRows(multiply(scores, q, asked, n, wide, from), n);
      multiply(mixed, scores, read, n, n, 0, wide, from);
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

const unchanged = (layer, shape) => ({ run: (x) => x, shape });

const LAYERS = {
  Dropout: unchanged,
  Reshape: unchanged, // a grid is a sequence already, row by row
  RandomCropFlip: centreView,
  TransformerBlock: transformerBlock,
  Conv2D: ({ strides, weights: [kernel, bias] }, shape) =>
    convolution(shape, kernel, strides, bias),
  ReLU: (layer, shape) => ({ run: (x) => apply(x, (v) => (v > 0 ? v : 0)), shape }),
  LayerNormalization: ({ epsilon, weights: [gamma, beta] }, shape, room) =>
    ({ run: (x) => layerNorm(room("last norm", x.length), x, gamma, beta, epsilon), shape }),

  Rescaling({ scale, offset }, shape) {
    const out = new Float32Array(shape.rows * shape.columns * 3);
    // one number for all colours, or a nested list with one each
    const [scales, offsets] = [scale, offset].map((x) => {
      const flat = [x].flat(Infinity);
      return [0, 1, 2].map((c) => flat[c] ?? flat[0]);
    });
    function run(x) {
      for (let i = 0; i < out.length; i++) out[i] = x[i] * scales[i % 3] + offsets[i % 3];
      return out;
    }
    return { run, shape };
  },

  BatchNormalization({ epsilon, weights: [gamma, beta, mean, variance] }, shape) {
    const scales = gamma.values.map((g, j) => g / Math.sqrt(variance.values[j] + epsilon));
    const offsets = beta.values.map((b, j) => b - mean.values[j] * scales[j]);
    function run(x) {
      for (let i = 0; i < x.length; i += scales.length)
        for (let j = 0; j < scales.length; j++) x[i + j] = x[i + j] * scales[j] + offsets[j];
      return x;
    }
    return { run, shape };
  },

  PatchEncoder({ weights: [{ values: positions }] }, shape) {
    function run(x) {
      for (let i = 0; i < x.length; i++) x[i] += positions[i];
      return x;
    }
    return { run, shape };
  },

  GlobalAveragePooling1D(layer, shape) {
    function run(x) {
      const mean = new Float32Array(shape.dim), n = x.length / shape.dim;
      for (let i = 0; i < x.length; i++) mean[i % shape.dim] += x[i] / n;
      return mean;
    }
    return { run, shape };
  },

  Dense({ weights: [kernel, bias] }) {
    const matrix = packed(kernel, bias);
    const run = (x) => softmaxRows(multiply(new Float32Array(matrix.m), x, matrix, 1), matrix.m);
    return { run, shape: { dim: matrix.m } };
  },
};

// The layers that turn the grid into few tokens. Each makes a function from a grid to its maps, one
// after the other, and says how maps pool, and what, where that is not the grid itself. Maps that
// are the same for every picture are not `learned`.

/** n rows of numbers -> one row for each of the columns */
function transposed(x, width) {
  const out = new Float32Array(x.length), n = x.length / width;
  for (let i = 0; i < n; i++) for (let j = 0; j < width; j++) out[j * n + i] = x[i * width + j];
  return out;
}

/** A 1×1 convolution in groups as a matrix: zero between channels of different groups. */
function grouped({ values }, groups, dim) {
  const size = dim / groups, whole = new Float32Array(dim * dim);
  for (let row = 0; row < dim; row++)
    for (let column = 0; column < dim; column++)
      if (Math.floor(row / size) === Math.floor(column / size))
        whole[row * dim + column] = values[(row % size) * dim + column];
  return pack(whole, dim, dim);
}

/** A reduction whose maps are softmaxes over the grid of what `logits` makes of it normalised. */
function softmaxReduction([gamma, beta], { rows, columns, dim }, room, logits, values) {
  const n = rows * columns;
  const normed = (grid) => layerNorm(room("normed", n * dim), grid, gamma, beta);
  const product = (x, matrix) =>
    multiply(matrix.out ??= new Float32Array(n * matrix.m), x, matrix, n);
  const maps = (grid) => {
    const drawn = logits(normed(grid), product);
    return softmaxRows(transposed(drawn, drawn.length / n), n);
  };
  return { maps, pooling: "softmax", values: values && ((grid) => values(grid, product, normed)) };
}

const REDUCTIONS = {
  TokenLearner({ pooling, weights: [gamma, beta, ...kernels] }, shape, room) {
    const convolutions = kernels.map((kernel) => {
      const each = convolution(shape, kernel, [1, 1]);
      shape = each.shape;
      return each;
    });
    function maps(grid) {
      let x = layerNorm(room("normed", grid.length), grid, gamma, beta);
      convolutions.forEach((each, i) => { x = apply(each.run(x), i < 3 ? gelu : sigmoid); });
      return transposed(x, shape.dim);
    }
    return { maps, pooling };
  },

  TokenLearnerV11({ weights }, shape, room) {
    const first = packed(weights[2], weights[3]), second = packed(weights[4], weights[5]);
    return softmaxReduction(weights, shape, room, (x, product) =>
      product(apply(product(x, first), gelu), second));
  },

  GroupedTokenLearner({ num_groups, weights }, shape, room) {
    const [mixing, valuing] = [2, 4].map((i) => grouped(weights[i], num_groups, shape.dim));
    const drawing = packed(weights[3]);
    return softmaxReduction(weights, shape, room, (x, product) =>
      product(product(x, mixing), drawing), (grid, product) => product(grid, valuing));
  },

  PatchMerger({ weights }, shape, room) {
    const asking = packed(weights[2]), scale = 1 / Math.sqrt(shape.dim);
    return softmaxReduction(weights, shape, room, (x, product) =>
      apply(product(x, asking), (v) => v * scale), (grid, product, normed) => normed(grid));
  },

  TopKTokens({ num_tokens }, { rows, columns, dim }) {
    function maps(grid) {
      const n = rows * columns, lengths = new Float32Array(n);
      const out = new Float32Array(n * num_tokens);
      for (let i = 0; i < grid.length; i++) lengths[Math.floor(i / dim)] += grid[i] * grid[i];
      const order = [...lengths.keys()].sort((a, b) => lengths[b] - lengths[a]);
      for (let t = 0; t < num_tokens; t++) out[t * n + order[t]] = 1;
      return out;
    }
    return { maps, pooling: "sum" };
  },

  AveragePooling({ num_tokens, windows: [down, right] }, { rows, columns }) {
    const window = (cell) => Math.floor(Math.floor(cell / columns) * down / rows) * right
      + Math.floor(cell % columns * right / columns);
    const n = rows * columns, share = num_tokens / n;
    const fixed = Float32Array.from({ length: num_tokens * n }, (_, i) =>
      window(i % n) === Math.floor(i / n) ? share : 0);
    return { maps: () => fixed.slice(), pooling: "sum", learned: false };
  },

  StridedConvolution({ weights: [kernel, bias] }, shape) {
    const { run } = convolution(shape, kernel, kernel.shape.slice(0, 2), bias);
    return { maps: () => null, tokens: (grid) => run(grid).slice(), learned: false };
  },
};

// The network

/** The model's layers, each with its weights: [{name, shape, values}, …]. */
function readWeights({ name, layers, float16, float32 }) {
  const stores = { float16: halves(float16), float32: new Float32Array(bytes(float32).buffer) };
  const read = { float16: 0, float32: 0 };
  const filled = layers.map((layer) => ({ ...layer,
    weights: layer.weights.map(([name, shape, dtype]) => {
      const from = read[dtype];
      read[dtype] += shape.reduce((a, b) => a * b, 1);
      return { name, shape, values: stores[dtype].subarray(from, read[dtype]) };
    }) }));
  for (const dtype in read)
    if (read[dtype] !== stores[dtype].length)
      throw new Error(`The network ${name} needs ${read[dtype]} weights in ${dtype}, but the page `
        + `holds ${stores[dtype].length}.`);
  return filled;
}

/** The same layers with weights drawn as Keras draws them before training. */
function drawWeights(layers, seed) {
  let state = (seed + 1) * 48271;
  const uniform = (limit) => { // Lehmer's generator
    state = (state * 48271) % 2147483647;
    return limit * (2 * state / 2147483647 - 1);
  };
  function draw({ name, shape, values }) {
    const [from, to] = shape.slice(-2), field = values.length / (from * to);
    const drawn = { gamma: () => 1, moving_variance: () => 1, embeddings: () => uniform(0.05),
      kernel: () => uniform(Math.sqrt(6 / (field * (from + to)))) };
    return { name, shape, values: values.map(drawn[name] ?? (() => 0)) };
  }
  return layers.map((layer) => ({ ...layer, weights: layer.weights.map(draw) }));
}

/** The network of one of the models in the page's data; `layers` as `readWeights` returns them. */
function buildNetwork(model, layers = readWeights(model)) {
  const room = makeRoom(), cut = layers.find(({ kind }) => kind === "RandomCropFlip");
  let shape = { rows: cut.image_size, columns: cut.image_size, dim: 3 };
  function build(layer) {
    const make = LAYERS[layer.kind];
    if (!make) throw new Error(`The page knows no layer ${layer.kind}, which ${model.name} has.`);
    const { run, shape: next } = make(layer, shape, room);
    shape = next;
    return { name: layer.name, run };
  }
  const at = layers.findIndex(({ kind }) => kind in REDUCTIONS);
  // Without a reduction the tokens are what enters the first block.
  const end = at >= 0 ? at : layers.findIndex(({ kind }) => kind === "TransformerBlock");
  const before = layers.slice(0, end).map(build);
  const { rows, columns, dim } = shape, cells = rows * columns, camera = centreView(cut);
  const reduction = at < 0 ? null : { learned: true, kind: layers[at].kind,
    ...REDUCTIONS[layers[at].kind](layers[at], shape, room) };
  const after = layers.slice(at >= 0 ? at + 1 : end).map(build);

  function through(steps, x, trace) {
    for (const { name, run } of steps) {
      x = run(x);
      trace?.(name, x);
    }
    return x;
  }

  /** Pool a grid with any maps of at least 0, as the layer pools with its own. */
  function pool(grid, maps) {
    if (!reduction) return grid.slice();
    if (reduction.tokens) return reduction.tokens(grid);
    const n = maps.length / cells, values = reduction.values ? reduction.values(grid) : grid;
    const matrix = pack(values, cells, dim, { panels: room("packed grid", cells * padded(dim)) });
    const tokens = multiply(new Float32Array(n * dim), maps, matrix, n);
    if (reduction.pooling === "sum") return tokens;
    for (let token = 0; token < n; token++) {
      let divisor = cells;
      if (reduction.pooling !== "mean") {
        divisor = reduction.pooling === "weighted_mean" ? SUM_EPSILON : 0;
        for (let i = token * cells; i < (token + 1) * cells; i++) divisor += maps[i];
      }
      for (let i = token * dim; i < (token + 1) * dim; i++) tokens[i] /= divisor;
    }
    return tokens;
  }

  const maps = (grid) => reduction && reduction.maps(grid);
  const predict = (tokens, trace) => through(after, tokens.slice(), trace);

  /** All of it for one picture, 0..255, rows of RGB. */
  function run(pixels, trace) {
    const view = camera.run(pixels).slice(), grid = through(before, pixels, trace).slice();
    const drawn = maps(grid), tokens = pool(grid, drawn);
    if (reduction && drawn) trace?.("maps", drawn);
    if (reduction) trace?.("tokens", tokens);
    return { view, grid, maps: drawn, tokens, probabilities: predict(tokens, trace) };
  }

  return {
    name: model.name, imageSize: cut.image_size, viewSize: cut.crop_size, extent: camera.extent,
    rows, columns, dim, classes: shape.dim,
    numTokens: reduction ? layers[at].num_tokens : cells,
    reduction: reduction && { kind: reduction.kind, pooling: reduction.pooling ?? null,
      learned: reduction.learned },
    run, maps, pool, predict,
    randomised: (seed) => buildNetwork(model, drawWeights(layers, seed)),
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
