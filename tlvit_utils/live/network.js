// The network in plain JavaScript: what `build_vit` builds, for one picture at a time.
//
// It computes what Keras computes at inference, layer by layer, from the weights that Python wrote
// into the page, so that every step can be read here and changed by the page. A grid of cells is a
// Float32Array, row by row, channels last, as in Keras; so are tokens, one row each.
//
// It is fast enough for a network of some 30 million multiply-adds per picture; for one ten times as
// large, take ONNX Runtime Web, which brings 14 MB of WebAssembly.
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

/** base64 of little-endian float16 -> Float32Array */
function halves(text) {
  const half = new Uint16Array(bytes(text).buffer), moved = new Uint32Array(half.length);
  for (let i = 0; i < half.length; i++) moved[i] = (half[i] & 0x8000) << 16 | (half[i] & 0x7fff) << 13;
  return mapped(new Float32Array(moved.buffer), (x) => x * 2 ** 112); // the exponents’ zeros differ
}

// Products, and functions of rows

const sum = (x) => x.reduce((a, b) => a + b, 0);

/** One of the rows of `width` numbers, not copied. */
const rowOf = (x, i, width) => x.subarray(i * width, (i + 1) * width);

/** f of each number and its index, faster than `x.map`. */
function mapped(x, f) {
  const out = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) out[i] = f(x[i], i);
  return out;
}

/** The columns of a matrix (k × m) by fours, as `product` reads them; the last one fills up. Weights,
 * which have a shape, keep theirs. */
function packed(b, m) {
  const k = b.length / m, out = new Float64Array(4 * Math.ceil(m / 4) * k);
  for (let j = 0, o = 0; j < m; j += 4)
    for (let row = 0; row < b.length; row += m)
      for (let c = j; c < j + 4; c++) out[o++] = b[row + Math.min(c, m - 1)];
  if (b.shape) b.columns = out;
  return out;
}

/** a (n × k) times b (k × m), plus a bias (m). Two rows times four columns make eight sums, which
 * stay in registers; where n or m does not divide, the last row or column is computed again. */
function product(a, b, m, bias = new Float32Array(m)) {
  const k = b.length / m, n = a.length / k, out = new Float32Array(n * m);
  const columns = b.columns ?? packed(b, m);
  for (let i = 0; i < n; i += 2) {
    const next = Math.min(i + 1, n - 1), top = i * k, below = next * k;
    for (let j = 0, q = 0; j < m; j += 4) {
      const j1 = Math.min(j + 1, m - 1), j2 = Math.min(j + 2, m - 1), j3 = Math.min(j + 3, m - 1);
      let s0 = bias[j], s1 = bias[j1], s2 = bias[j2], s3 = bias[j3], t0 = s0, t1 = s1, t2 = s2, t3 = s3;
      for (let l = 0; l < k; l++, q += 4) {
        const x = a[top + l], y = a[below + l];
        const b0 = columns[q], b1 = columns[q + 1], b2 = columns[q + 2], b3 = columns[q + 3];
        s0 += x * b0; s1 += x * b1; s2 += x * b2; s3 += x * b3;
        t0 += y * b0; t1 += y * b1; t2 += y * b2; t3 += y * b3;
      }
      const o = i * m, p = next * m;
      out[o + j] = s0; out[o + j1] = s1; out[o + j2] = s2; out[o + j3] = s3;
      out[p + j] = t0; out[p + j1] = t1; out[p + j2] = t2; out[p + j3] = t3;
    }
  }
  return out;
}

/** A convolution of a square grid with Keras's padding "same": the numbers that each output reads
 * are gathered as one row, and then it is a product. */
function convolve(x, side, kernel, [down, right], bias) {
  const [height, width, dim, filters] = kernel.shape;
  const rows = Math.ceil(side / down), columns = Math.ceil(side / right);
  const above = Math.max((rows - 1) * down + height - side, 0) >> 1;
  const left = Math.max((columns - 1) * right + width - side, 0) >> 1;
  const gathered = new Float32Array(rows * columns * height * width * dim); // zero outside
  for (let row = 0, o = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const start = column * right - left;
      const first = Math.max(0, -start), last = Math.min(width, side - start);
      for (let v = 0; v < height; v++, o += width * dim) {
        const y = row * down - above + v;
        if (y < 0 || y >= side) continue;
        let from = (y * side + start + first) * dim;
        for (let to = o + first * dim; to < o + last * dim; ) gathered[to++] = x[from++];
      }
    }
  return product(gathered, kernel, filters, bias);
}

/** GELU in its tanh form: (1 + tanh u) / 2 is the sigmoid of 2u. */
const gelu = (x) => x / (1 + Math.exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)));
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const add = (a, b) => mapped(a, (value, i) => value + b[i]);

/** n rows of `width` numbers -> one row for each of the columns */
function transposed(x, width) {
  const out = new Float32Array(x.length), n = x.length / width;
  for (let i = 0; i < n; i++) for (let j = 0; j < width; j++) out[j * n + i] = x[i * width + j];
  return out;
}

/** The mean of all rows */
const meanRow = (x, width) => product(new Float32Array(x.length / width).fill(width / x.length), x, width);

/** Softmax of each row times `scale`, in place. */
function softmaxRows(x, width, scale = 1) {
  for (let i = 0; i < x.length; i += width) {
    let top = -Infinity, sum = 0;
    for (let j = i; j < i + width; j++) if (x[j] > top) top = x[j];
    for (let j = i; j < i + width; j++) sum += x[j] = Math.exp(scale * (x[j] - top));
    for (let j = i; j < i + width; j++) x[j] /= sum;
  }
  return x;
}

function layerNorm(x, gamma, beta, epsilon = EPSILON) {
  const dim = gamma.length, out = new Float32Array(x.length);
  for (let i = 0; i < x.length; i += dim) {
    let sum = 0, squares = 0;
    for (let j = i; j < i + dim; j++) sum += x[j];
    for (let j = i; j < i + dim; j++) squares += (x[j] - sum / dim) ** 2;
    const mean = sum / dim, scale = 1 / Math.sqrt(squares / dim + epsilon);
    for (let j = 0; j < dim; j++) out[i + j] = (x[i + j] - mean) * scale * gamma[j] + beta[j];
  }
  return out;
}

/** Attention among the rows of x, head by head. */
function attend(x, heads, [query, queryBias, key, keyBias, value, valueBias, output, outputBias]) {
  const wide = queryBias.length, width = wide / heads, n = x.length / outputBias.length;
  const project = (kernel, bias) => transposed(product(x, kernel, wide, bias), wide);
  const queries = project(query, queryBias), keys = project(key, keyBias), values = project(value, valueBias);
  const mixed = new Float32Array(n * wide); // as they: one row for each number of each head
  for (let head = 0; head < heads; head++) {
    const [q, k, v] = [queries, keys, values].map((each) => rowOf(each, head, n * width));
    const scores = softmaxRows(product(transposed(q, n), k, n), n, 1 / Math.sqrt(width));
    mixed.set(transposed(product(scores, transposed(v, n), width), width), head * n * width);
  }
  return product(transposed(mixed, n), output, outputBias.length, outputBias);
}

// The layers. Each makes, from its settings, its weights and the shape of its input, a function from
// what comes in to what goes out.

/** Resize bilinearly, pad with zeros and cut out the centre: `augment.RandomCropFlip`. */
function camera({ resized_size, padding, crop_size, shape: [size] }) {
  const offset = ((resized_size + 2 * padding - crop_size) >> 1) - padding;
  const scale = size / resized_size, extent = [offset * scale, (offset + crop_size) * scale];
  if (crop_size === size && resized_size === size) return { run: (x) => x, extent };
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
  return { run, extent };
}

const unchanged = () => (x) => x;
const scaled = (scales, offsets) => (x) => mapped(x, (value, i) =>
  value * scales[i % scales.length] + offsets[i % offsets.length]);

const LAYERS = {
  Dropout: unchanged,
  Reshape: unchanged, // a grid is a sequence already, row by row
  RandomCropFlip: (layer) => camera(layer).run,
  PatchEncoder: ({ weights: [positions] }) => (x) => add(x, positions),
  ReLU: () => (x) => mapped(x, (value) => value > 0 ? value : 0),
  LayerNormalization: ({ epsilon, weights: [gamma, beta] }) => (x) =>
    layerNorm(x, gamma, beta, epsilon),
  Conv2D: ({ shape: [side], strides, weights: [kernel, bias] }) => (x) =>
    convolve(x, side, kernel, strides, bias),
  Dense: ({ weights: [kernel, bias] }) => (x) =>
    softmaxRows(product(x, kernel, bias.length, bias), bias.length),

  Rescaling: ({ scale, offset }) => // by one number for all colours, or by a nested list with one each
    scaled([scale].flat(Infinity), [offset].flat(Infinity)),

  BatchNormalization({ epsilon, weights: [gamma, beta, mean, variance] }) {
    const scales = mapped(gamma, (g, j) => g / Math.sqrt(variance[j] + epsilon));
    return scaled(scales, mapped(beta, (b, j) => b - mean[j] * scales[j]));
  },

  GlobalAveragePooling1D: ({ shape: [, dim] }) => (x) => meanRow(x, dim),

  TransformerBlock({ num_heads, activate_last, weights }) {
    const [gamma1, beta1, ...attention] = weights.slice(0, 10);
    const [gamma2, beta2, ...mlp] = weights.slice(10);
    return (x) => {
      const between = add(x, attend(layerNorm(x, gamma1, beta1), num_heads, attention));
      let hidden = layerNorm(between, gamma2, beta2);
      for (let i = 0; i < mlp.length; i += 2) {
        hidden = product(hidden, mlp[i], mlp[i + 1].length, mlp[i + 1]);
        if (activate_last || i < mlp.length - 2) hidden = mapped(hidden, gelu);
      }
      return add(between, hidden);
    };
  },
};

// The layers that turn the grid into few tokens. Each has a function from a grid to its maps, one
// after the other, and says how maps pool, and what, where that is not the grid itself.

/** Logits, a row for each cell -> maps that are softmaxes over the cells */
const softmaxMaps = (logits, tokens, scale) =>
  softmaxRows(transposed(logits, tokens), logits.length / tokens, scale);

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
    const convolved = (x, kernel, i) =>
      mapped(convolve(x, Math.sqrt(cells), kernel, [1, 1]), i < 3 ? gelu : sigmoid);
    return { pooling, maps: (grid) =>
      transposed(kernels.reduce(convolved, layerNorm(grid, gamma, beta)), num_tokens) };
  },

  TokenLearnerV11({ num_tokens, weights: [gamma, beta, kernel1, bias1, kernel2, bias2] }) {
    const hidden = (grid) =>
      mapped(product(layerNorm(grid, gamma, beta), kernel1, bias1.length, bias1), gelu);
    return { pooling: "softmax", maps: (grid) =>
      softmaxMaps(product(hidden(grid), kernel2, num_tokens, bias2), num_tokens) };
  },

  GroupedTokenLearner({ num_tokens, num_groups, weights: [gamma, beta, mixing, toLogits, toValues] }) {
    const [mixed, valued] = [mixing, toValues].map((each) => grouped(each, num_groups));
    const hidden = (grid) => product(layerNorm(grid, gamma, beta), mixed, gamma.length);
    return { pooling: "softmax", values: (grid) => product(grid, valued, gamma.length),
      maps: (grid) => softmaxMaps(product(hidden(grid), toLogits, num_tokens), num_tokens) };
  },

  PatchMerger({ num_tokens, weights: [gamma, beta, queries] }) {
    const values = (grid) => layerNorm(grid, gamma, beta), scale = 1 / Math.sqrt(gamma.length);
    return { pooling: "softmax", values, maps: (grid) =>
      softmaxMaps(product(values(grid), queries, num_tokens), num_tokens, scale) };
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
    return { pooling: "sum", maps: () => Float32Array.from({ length: num_tokens * cells }, (_, i) =>
      window(i % cells) === Math.floor(i / cells) ? num_tokens / cells : 0) };
  },

  StridedConvolution: ({ shape: [cells], weights: [kernel, bias] }) => ({ tokens: (grid) =>
    convolve(grid, Math.sqrt(cells), kernel, kernel.shape.slice(0, 2), bias) }),
};

/** What a map's token is divided by, from the map's sum. */
const DIVISORS = { sum: () => 1, softmax: (sum) => sum, mean: (sum, cells) => cells,
  weighted_mean: (sum) => sum + SUM_EPSILON };

// The network

/** The model's layers; each weight is an array with its shape and name. */
function readWeights(layers) {
  const read = ({ name, shape, float16, float32 }) => Object.assign(
    float16 ? halves(float16) : new Float32Array(bytes(float32).buffer), { name, shape });
  return layers.map((layer) => ({ ...layer, weights: layer.weights.map(read) }));
}

/** The same layers with weights drawn as widely as Keras draws them before training. */
function drawWeights(layers, seed) {
  let drawn = (seed + 1) * 48271;
  const uniform = (limit) => { // Lehmer's generator
    drawn = (drawn * 48271) % 2147483647;
    return limit * (2 * drawn / 2147483647 - 1);
  };
  const draw = ({ kind }) => (weight) => {
    const { name, shape, length } = weight, [from, to] = shape.slice(-2);
    const glorot = Math.sqrt(6 / (length / from + length / to)), constant = /gamma|variance/.test(name) ? 1 : 0;
    const limit = { kernel: kind === "PatchMerger" ? Math.sqrt(3) : glorot, embeddings: 0.05 }[name];
    return Object.assign(weight.map(() => limit ? uniform(limit) : constant), { name, shape });
  };
  return layers.map((layer) => ({ ...layer, weights: layer.weights.map(draw(layer)) }));
}

/** The network of one of the models in the page's data; `layers` as `readWeights` returns them. */
function buildNetwork(model, layers = readWeights(model.layers)) {
  const at = layers.findIndex(({ kind }) => kind in REDUCTIONS);
  // Without a reduction the tokens are what enters the first block.
  const end = at >= 0 ? at : layers.findIndex(({ kind }) => kind === "TransformerBlock");
  const reduction = at < 0 ? { tokens: (grid) => grid } : REDUCTIONS[layers[at].kind](layers[at]);
  const [cells, dim] = layers[end].shape, numTokens = at < 0 ? cells : layers[at].num_tokens;
  const cut = layers.find(({ kind }) => kind === "RandomCropFlip"), { run: view, extent } = camera(cut);
  const build = (layer) => ({ name: layer.name, run: LAYERS[layer.kind](layer) });
  const before = layers.slice(0, end).map(build), after = layers.slice(at < 0 ? end : at + 1).map(build);
  const through = (steps, x, trace) => steps.reduce((x, { name, run }) => {
    const out = run(x);
    trace?.(name, out);
    return out;
  }, x);

  /** Pool a grid with any maps of at least 0, as the layer pools with its own. */
  function pool(grid, maps) {
    const { tokens, values, pooling } = reduction;
    if (tokens) return tokens(grid);
    const divisors = sumsOf(maps, cells).map((sum) => DIVISORS[pooling](sum, cells));
    return mapped(product(maps, values ? values(grid) : grid, dim), (value, i) =>
      value / divisors[Math.floor(i / dim)]);
  }

  const predict = (tokens, trace) => through(after, tokens, trace);

  /** All of it for one picture, 0..255, rows of RGB; `maps` are null where the network has none. */
  function run(pixels, trace) {
    const grid = through(before, pixels, trace), maps = reduction.maps?.(grid) ?? null;
    const tokens = pool(grid, maps);
    return { view: view(pixels), grid, maps, tokens, probabilities: predict(tokens, trace) };
  }

  return { viewSize: cut.crop_size, extent, side: Math.sqrt(cells), cells, dim, numTokens,
    numMaps: reduction.maps ? numTokens : 0, run, pool, predict,
    randomised: (seed) => buildNetwork(model, drawWeights(layers, seed)) };
}

// Changes that the page makes

/** The sum of each map. */
const sumsOf = (maps, cells) => Array.from({ length: maps.length / cells }, (_, token) =>
  sum(rowOf(maps, token, cells)));

/** Some of the tokens (rows of dim numbers), in the order of `indices`. */
const keepTokens = (tokens, dim, indices) =>
  Float32Array.from(indices.flatMap((token) => [...rowOf(tokens, token, dim)]));

/** One shape in place of every map, or only of `target`'s. It takes the map's sum, so that the place of
 * the weight changes, not its amount. */
function reshapeMaps(maps, cells, shape, target = -1) {
  const total = sum(shape), sums = sumsOf(maps, cells);
  return maps.map((value, i) => {
    const token = Math.floor(i / cells);
    return target < 0 || target === token ? shape[i % cells] * sums[token] / total : value;
  });
}

/** Every map replaced by the mean of all maps. */
function meanMap(maps, cells) {
  const mean = meanRow(maps, cells);
  return maps.map((_, i) => mean[i % cells]);
}
