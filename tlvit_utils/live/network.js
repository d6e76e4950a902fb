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
  const word = new Uint32Array(out.buffer); // the same numbers as bits
  for (let i = 0; i < half.length; i++) {
    const sign = (half[i] & 0x8000) << 16, exponent = (half[i] >> 10) & 31, rest = half[i] & 1023;
    if (exponent) word[i] = sign | ((exponent + 112) << 23) | (rest << 13);
    else out[i] = (sign ? -1 : 1) * rest * 2 ** -24;
  }
  return out;
}

// Products and functions of rows

/**
 * a (n × k) times b (k × m), plus a bias (m). Blocks of 4 × 4 sums stay in registers; where n or m
 * is no multiple of 4, the last row or column is computed more than once.
 */
function product(a, b, m, bias) {
  const k = b.length / m, n = a.length / k, out = new Float32Array(n * m);
  for (let i = 0; i < n; i += 4) {
    const i1 = Math.min(i + 1, n - 1), i2 = Math.min(i + 2, n - 1), i3 = Math.min(i + 3, n - 1);
    const a0 = i * k, a1 = i1 * k, a2 = i2 * k, a3 = i3 * k;
    for (let j = 0; j < m; j += 4) {
      const j1 = Math.min(j + 1, m - 1), j2 = Math.min(j + 2, m - 1), j3 = Math.min(j + 3, m - 1);
      let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
      let s20 = 0, s21 = 0, s22 = 0, s23 = 0, s30 = 0, s31 = 0, s32 = 0, s33 = 0;
      for (let l = 0, p = 0; l < k; l++, p += m) {
        const b0 = b[p + j], b1 = b[p + j1], b2 = b[p + j2], b3 = b[p + j3];
        const x0 = a[a0 + l], x1 = a[a1 + l], x2 = a[a2 + l], x3 = a[a3 + l];
        s00 += x0 * b0; s01 += x0 * b1; s02 += x0 * b2; s03 += x0 * b3;
        s10 += x1 * b0; s11 += x1 * b1; s12 += x1 * b2; s13 += x1 * b3;
        s20 += x2 * b0; s21 += x2 * b1; s22 += x2 * b2; s23 += x2 * b3;
        s30 += x3 * b0; s31 += x3 * b1; s32 += x3 * b2; s33 += x3 * b3;
      }
      const o0 = i * m, o1 = i1 * m, o2 = i2 * m, o3 = i3 * m;
      out[o0 + j] = s00; out[o0 + j1] = s01; out[o0 + j2] = s02; out[o0 + j3] = s03;
      out[o1 + j] = s10; out[o1 + j1] = s11; out[o1 + j2] = s12; out[o1 + j3] = s13;
      out[o2 + j] = s20; out[o2 + j1] = s21; out[o2 + j2] = s22; out[o2 + j3] = s23;
      out[o3 + j] = s30; out[o3 + j1] = s31; out[o3 + j2] = s32; out[o3 + j3] = s33;
    }
  }
  if (bias) for (let i = 0; i < out.length; i++) out[i] += bias[i % m];
  return out;
}

/**
 * A convolution of a grid with Keras's padding "same": the numbers that each output reads are
 * gathered as one row, and then it is a product.
 */
function convolve(x, [rows, columns], kernel, [down, right], bias) {
  const [height, width, dim, filters] = kernel.shape;
  const outRows = Math.ceil(rows / down), outColumns = Math.ceil(columns / right);
  const outside = (size, out, step, side) => Math.max((out - 1) * step + side - size, 0) >> 1;
  const above = outside(rows, outRows, down, height);
  const left = outside(columns, outColumns, right, width);
  const gathered = new Float32Array(outRows * outColumns * height * width * dim);
  for (let row = 0, o = 0; row < outRows; row++)
    for (let column = 0; column < outColumns; column++) {
      const start = column * right - left;
      const first = Math.max(0, -start), last = Math.min(width, columns - start);
      for (let v = 0; v < height; v++, o += width * dim) {
        const y = row * down - above + v;
        if (y < 0 || y >= rows) continue; // zeros
        let from = (y * columns + start + first) * dim;
        for (let to = o + first * dim; to < o + last * dim; ) gathered[to++] = x[from++];
      }
    }
  return product(gathered, kernel, filters, bias);
}

/** GELU in its tanh form: (1 + tanh u) / 2 is the sigmoid of 2u. */
const gelu = (x) => x / (1 + Math.exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)));
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const add = (a, b) => a.map((value, i) => value + b[i % b.length]);

/** n rows of `width` numbers -> one row for each of the columns */
function transposed(x, width) {
  const out = new Float32Array(x.length), n = x.length / width;
  for (let i = 0; i < n; i++) for (let j = 0; j < width; j++) out[j * n + i] = x[i * width + j];
  return out;
}

/** Softmax of each row, in place. */
function softmaxRows(x, width) {
  for (let i = 0; i < x.length; i += width) {
    let top = -Infinity, sum = 0;
    for (let j = i; j < i + width; j++) if (x[j] > top) top = x[j];
    for (let j = i; j < i + width; j++) sum += x[j] = Math.exp(x[j] - top);
    for (let j = i; j < i + width; j++) x[j] /= sum;
  }
  return x;
}

function layerNorm(x, gamma, beta, epsilon = EPSILON) {
  const dim = gamma.length, out = new Float32Array(x.length);
  for (let i = 0; i < x.length; i += dim) {
    let mean = 0, variance = 0;
    for (let j = i; j < i + dim; j++) mean += x[j] / dim;
    for (let j = i; j < i + dim; j++) variance += (x[j] - mean) * (x[j] - mean) / dim;
    const scale = 1 / Math.sqrt(variance + epsilon);
    for (let j = 0; j < dim; j++) out[i + j] = (x[i + j] - mean) * scale * gamma[j] + beta[j];
  }
  return out;
}

/** Attention among the rows of x, head by head. */
function attend(x, heads, [query, queryBias, key, keyBias, value, valueBias, output, outputBias]) {
  const wide = queryBias.length, width = wide / heads, n = x.length / outputBias.length;
  const [queries, keys, values] = [[query, queryBias], [key, keyBias], [value, valueBias]]
    .map(([kernel, bias]) => transposed(product(x, kernel, wide, bias), wide));
  const mixed = new Float32Array(n * wide); // as they: one row for each number of each head
  for (let from = 0; from < n * wide; from += n * width) {
    const [asked, keyed, read] = [queries, keys, values].map((each) =>
      each.subarray(from, from + n * width));
    const scores = product(transposed(asked, n), keyed, n).map((score) => score / Math.sqrt(width));
    mixed.set(transposed(product(softmaxRows(scores, n), transposed(read, n), width), width), from);
  }
  return product(transposed(mixed, n), output, outputBias.length, outputBias);
}

// The layers. Each makes, from its settings, its weights and the shape of its input, a function from
// what comes in to what goes out.

/** Resize bilinearly, pad with zeros and cut out the centre: `augment.RandomCropFlip`. */
function camera({ resized_size, padding, crop_size, shape: [size] }) {
  const offset = ((resized_size + 2 * padding - crop_size) >> 1) - padding;
  const scale = size / resized_size;
  const lines = Array.from({ length: crop_size }, (_, i) => {
    const line = offset + i, inside = line >= 0 && line < resized_size ? 1 : 0;
    const centre = Math.min(Math.max((line + 0.5) * scale - 0.5, 0), size - 1);
    const first = Math.floor(centre), second = Math.min(first + 1, size - 1);
    return [[first, inside * (1 - centre + first)], [second, inside * (centre - first)]];
  });
  function run(x) {
    const out = new Float32Array(crop_size * crop_size * 3);
    lines.forEach((rows, i) => lines.forEach((columns, j) => {
      for (const [row, down] of rows)
        for (const [column, right] of columns)
          for (let c = 0; c < 3; c++)
            out[(i * crop_size + j) * 3 + c] += down * right * x[(row * size + column) * 3 + c];
    }));
    return out;
  }
  return { run, extent: [offset * scale, (offset + crop_size) * scale] };
}

const unchanged = () => (x) => x;

const LAYERS = {
  Dropout: unchanged,
  Reshape: unchanged, // a grid is a sequence already, row by row
  RandomCropFlip: (layer) => camera(layer).run,
  PatchEncoder: ({ weights: [positions] }) => (x) => add(x, positions),
  ReLU: () => (x) => x.map((value) => Math.max(value, 0)),
  LayerNormalization: ({ epsilon, weights: [gamma, beta] }) => (x) =>
    layerNorm(x, gamma, beta, epsilon),
  Conv2D: ({ shape, strides, weights: [kernel, bias] }) => (x) =>
    convolve(x, shape, kernel, strides, bias),
  Dense: ({ weights: [kernel, bias] }) => (x) =>
    softmaxRows(product(x, kernel, bias.length, bias), bias.length),

  Rescaling({ scale, offset }) { // one number for all colours, or a nested list with one each
    const [scales, offsets] = [scale, offset].map((x) => [x].flat(Infinity));
    return (x) => Float32Array.from(x).map((value, i) =>
      value * scales[i % scales.length] + offsets[i % offsets.length]);
  },

  BatchNormalization({ epsilon, weights: [gamma, beta, mean, variance] }) {
    const scales = gamma.map((g, j) => g / Math.sqrt(variance[j] + epsilon)), dim = scales.length;
    return (x) => x.map((value, i) => (value - mean[i % dim]) * scales[i % dim] + beta[i % dim]);
  },

  GlobalAveragePooling1D: ({ shape: [, dim] }) => (x) => {
    const mean = new Float32Array(dim);
    x.forEach((value, i) => { mean[i % dim] += value * dim / x.length; });
    return mean;
  },

  TransformerBlock({ num_heads, activate_last, weights }) {
    const [gamma1, beta1, ...attention] = weights.slice(0, 10);
    const [gamma2, beta2, ...mlp] = weights.slice(10);
    return (x) => {
      const between = add(x, attend(layerNorm(x, gamma1, beta1), num_heads, attention));
      let hidden = layerNorm(between, gamma2, beta2);
      for (let i = 0; i < mlp.length; i += 2) {
        hidden = product(hidden, mlp[i], mlp[i + 1].length, mlp[i + 1]);
        if (activate_last || i < mlp.length - 2) hidden = hidden.map(gelu);
      }
      return add(between, hidden);
    };
  },
};

// The layers that turn the grid into few tokens. Each has a function from a grid to its maps, one
// after the other, and says how maps pool, and what, where that is not the grid itself. Maps that
// are the same for every picture are not `learned`.

/** Logits, a row for each cell -> maps that are softmaxes over the cells */
const softmaxMaps = (logits, tokens) => softmaxRows(transposed(logits, tokens), logits.length / tokens);

/** A 1×1 convolution in groups as a matrix: zero between channels of different groups. */
function grouped(kernel, groups) {
  const dim = kernel.shape.at(-1), size = dim / groups;
  return Float32Array.from({ length: dim * dim }, (_, i) => {
    const row = Math.floor(i / dim), column = i % dim;
    return Math.floor(row / size) === Math.floor(column / size)
      ? kernel[(row % size) * dim + column] : 0;
  });
}

const REDUCTIONS = {
  TokenLearner({ pooling, shape: [cells], num_tokens, weights: [gamma, beta, ...kernels] }) {
    const side = Math.sqrt(cells), convolved = (x, kernel, i) =>
      convolve(x, [side, side], kernel, [1, 1]).map(i < 3 ? gelu : sigmoid);
    return { pooling, maps: (grid) =>
      transposed(kernels.reduce(convolved, layerNorm(grid, gamma, beta)), num_tokens) };
  },

  TokenLearnerV11({ num_tokens, weights: [gamma, beta, kernel1, bias1, kernel2, bias2] }) {
    const hidden = (grid) =>
      product(layerNorm(grid, gamma, beta), kernel1, bias1.length, bias1).map(gelu);
    return { pooling: "softmax", maps: (grid) =>
      softmaxMaps(product(hidden(grid), kernel2, num_tokens, bias2), num_tokens) };
  },

  GroupedTokenLearner({ num_tokens, num_groups, weights: [gamma, beta, mixing, drawing, valuing] }) {
    const [mixed, valued] = [mixing, valuing].map((each) => grouped(each, num_groups));
    const hidden = (grid) => product(layerNorm(grid, gamma, beta), mixed, gamma.length);
    return { pooling: "softmax", values: (grid) => product(grid, valued, gamma.length),
      maps: (grid) => softmaxMaps(product(hidden(grid), drawing, num_tokens), num_tokens) };
  },

  PatchMerger({ num_tokens, weights: [gamma, beta, asking] }) {
    const normed = (grid) => layerNorm(grid, gamma, beta), scale = 1 / Math.sqrt(gamma.length);
    return { pooling: "softmax", values: normed, maps: (grid) =>
      softmaxMaps(product(normed(grid), asking, num_tokens).map((x) => x * scale), num_tokens) };
  },

  TopKTokens: ({ num_tokens, shape: [cells, dim] }) => ({ pooling: "sum", maps(grid) {
    const lengths = new Float32Array(cells), out = new Float32Array(cells * num_tokens);
    grid.forEach((value, i) => { lengths[Math.floor(i / dim)] += value * value; });
    const order = [...lengths.keys()].sort((a, b) => lengths[b] - lengths[a]);
    for (let t = 0; t < num_tokens; t++) out[t * cells + order[t]] = 1;
    return out;
  } }),

  AveragePooling({ num_tokens, windows: [down, right], shape: [cells] }) {
    const side = Math.sqrt(cells), window = (cell) => Math.floor(cell % side * right / side)
      + right * Math.floor(Math.floor(cell / side) * down / side);
    const maps = Float32Array.from({ length: num_tokens * cells }, (_, i) =>
      window(i % cells) === Math.floor(i / cells) ? num_tokens / cells : 0);
    return { maps: () => maps.slice(), pooling: "sum", learned: false };
  },

  StridedConvolution({ shape: [cells], weights: [kernel, bias] }) {
    const side = Math.sqrt(cells), steps = kernel.shape.slice(0, 2);
    return { maps: () => null, learned: false, tokens: (grid) =>
      convolve(grid, [side, side], kernel, steps, bias) };
  },
};

// The network

/** The model's layers; each weight is an array with its shape and name. */
function readWeights({ name, layers, float16, float32 }) {
  const stores = { float16: halves(float16), float32: new Float32Array(bytes(float32).buffer) };
  const read = { float16: 0, float32: 0 };
  function fill([name, shape, dtype]) {
    const from = read[dtype], to = from + shape.reduce((a, b) => a * b, 1);
    read[dtype] = to;
    return Object.assign(stores[dtype].slice(from, to), { shape, name });
  }
  const filled = layers.map((layer) => ({ ...layer, weights: layer.weights.map(fill) }));
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
  function draw(weight) {
    const { name, shape } = weight, [from, to] = shape.slice(-2), field = weight.length / (from * to);
    const drawn = { gamma: () => 1, moving_variance: () => 1, embeddings: () => uniform(0.05),
      kernel: () => uniform(Math.sqrt(6 / (field * (from + to)))) };
    return Object.assign(weight.map(drawn[name] ?? (() => 0)), { name, shape });
  }
  return layers.map((layer) => ({ ...layer, weights: layer.weights.map(draw) }));
}

/** The network of one of the models in the page's data; `layers` as `readWeights` returns them. */
function buildNetwork(model, layers = readWeights(model)) {
  const at = layers.findIndex(({ kind }) => kind in REDUCTIONS);
  // Without a reduction the tokens are what enters the first block.
  const end = at >= 0 ? at : layers.findIndex(({ kind }) => kind === "TransformerBlock");
  const [cells, dim] = layers[end].shape, side = Math.sqrt(cells);
  const cut = layers.find(({ kind }) => kind === "RandomCropFlip"), { run: view, extent } = camera(cut);
  const reduction = at < 0 ? null
    : { kind: layers[at].kind, learned: true, ...REDUCTIONS[layers[at].kind](layers[at]) };
  const build = (layer) => {
    if (!LAYERS[layer.kind])
      throw new Error(`The page knows no layer ${layer.kind}, which ${model.name} has.`);
    return { name: layer.name, run: LAYERS[layer.kind](layer) };
  };
  const before = layers.slice(0, end).map(build), after = layers.slice(at < 0 ? end : at + 1).map(build);
  const through = (steps, x, trace) => steps.reduce((x, { name, run }) => {
    const out = run(x);
    trace?.(name, out);
    return out;
  }, x);

  const maps = (grid) => reduction && reduction.maps(grid);

  /** Pool a grid with any maps of at least 0, as the layer pools with its own. */
  function pool(grid, maps) {
    if (!reduction) return grid;
    if (reduction.tokens) return reduction.tokens(grid);
    const { pooling, values } = reduction;
    const tokens = product(maps, values ? values(grid) : grid, dim);
    if (pooling === "sum") return tokens;
    const sums = sumsOf(maps, cells).map((sum) => pooling === "mean" ? cells
      : pooling === "weighted_mean" ? sum + SUM_EPSILON : sum);
    return tokens.map((value, i) => value / sums[Math.floor(i / dim)]);
  }

  const predict = (tokens, trace) => through(after, tokens, trace);

  /** All of it for one picture, 0..255, rows of RGB. */
  function run(pixels, trace) {
    const grid = through(before, pixels, trace), drawn = maps(grid), tokens = pool(grid, drawn);
    if (drawn) trace?.("maps", drawn);
    if (reduction) trace?.("tokens", tokens);
    return { view: view(pixels), grid, maps: drawn, tokens, probabilities: predict(tokens, trace) };
  }

  return { name: model.name, viewSize: cut.crop_size, extent, side, cells, dim, reduction,
    numTokens: at < 0 ? cells : layers[at].num_tokens, run, maps, pool, predict,
    randomised: (seed) => buildNetwork(model, drawWeights(layers, seed)) };
}

// Changes that the page makes

/** The sum of each map. */
const sumsOf = (maps, cells) => Array.from({ length: maps.length / cells }, (_, token) =>
  maps.subarray(token * cells, (token + 1) * cells).reduce((a, b) => a + b, 0));

/** Some of the tokens (rows of dim numbers), in the order of `indices`. */
function keepTokens(tokens, dim, indices) {
  const out = new Float32Array(indices.length * dim);
  indices.forEach((token, i) => out.set(tokens.subarray(token * dim, (token + 1) * dim), i * dim));
  return out;
}

/** Each map with its own mean on every cell: the token knows what is there, but not where. */
function flatMaps(maps, cells) {
  const sums = sumsOf(maps, cells);
  return maps.map((_, i) => sums[Math.floor(i / cells)] / cells);
}

/** Every map replaced by the mean of all maps. */
function meanMap(maps, cells) {
  const mean = new Float32Array(cells);
  maps.forEach((value, i) => { mean[i % cells] += value * cells / maps.length; });
  return maps.map((_, i) => mean[i % cells]);
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
