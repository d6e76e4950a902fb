"""The token layers once more, for one image, as plain loops over cells and tokens.

Weights come in the order of `get_weights()`. Everything is float64.
"""

from itertools import product
from math import erf, exp, pi, sqrt, tanh

import numpy as np


def layer_norm(vector, gamma, beta):
    mean = sum(vector) / len(vector)
    variance = sum((v - mean) ** 2 for v in vector) / len(vector)
    return (vector - mean) / sqrt(variance + 1e-6) * gamma + beta


def gelu(x, approximate=True):
    if approximate:
        return x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2
    return x * (1 + erf(x / sqrt(2))) / 2


def sigmoid(x):
    return 1 / (1 + exp(-x))


def mlp(vector, kernel1, bias1, kernel2, bias2):
    hidden = [gelu(h) for h in vector @ kernel1 + bias1]
    return hidden @ kernel2 + bias2


def normalised(image, gamma, beta):
    """Return `image`, `(height, width, dim)`, with each cell normalised alone."""
    return np.array([[layer_norm(cell, gamma, beta) for cell in row] for row in image])


def convolution(image, kernel):
    """Return the 3×3 "same" convolution of `image`, `(height, width, filters)`."""
    height, width, _ = image.shape
    out = np.zeros((height, width, kernel.shape[-1]))
    for i, j in product(range(height), range(width)):
        for di, dj in product((-1, 0, 1), (-1, 0, 1)):
            if 0 <= i + di < height and 0 <= j + dj < width:
                out[i, j] += image[i + di, j + dj] @ kernel[di + 1, dj + 1]
    return out


def grouped_convolution(image, kernel, groups):
    """Return the grouped 1×1 convolution of `image`; `kernel`: `(1, 1, dim / groups, filters)`."""
    height, width, dim = image.shape
    filters = kernel.shape[-1]
    out = np.zeros((height, width, filters))
    for i, j, f in product(range(height), range(width), range(filters)):
        group = f // (filters // groups)
        for c in range(dim // groups):
            out[i, j, f] += image[i, j, group * (dim // groups) + c] * kernel[0, 0, c, f]
    return out


def pool(maps, values):
    """Return the sum over cells of map × values; `maps`: `(height, width, num_tokens)`."""
    height, width, num_tokens = maps.shape
    tokens = np.zeros((num_tokens, values.shape[-1]))
    for s, i, j in product(range(num_tokens), range(height), range(width)):
        tokens[s] += maps[i, j, s] * values[i, j]
    return tokens


def softmax_over_cells(logits):
    """Return each map's softmax over the cells; `logits`: `(height, width, num_tokens)`."""
    maps = np.zeros(logits.shape)
    for s in range(logits.shape[-1]):
        powers = np.exp(logits[..., s] - logits[..., s].max())
        maps[..., s] = powers / powers.sum()
    return maps


def token_learner(image, weights, pooling="mean", approximate_gelu=True):
    gamma, beta, *kernels = weights
    maps = normalised(image, gamma, beta)
    for kernel in kernels[:3]:
        maps = convolution(maps, kernel)
        maps = np.array([[[gelu(m, approximate_gelu) for m in p] for p in row] for row in maps])
    maps = convolution(maps, kernels[3])
    maps = np.array([[[sigmoid(m) for m in cell] for cell in row] for row in maps])
    height, width, _ = image.shape
    tokens = pool(maps, image)
    for s in range(len(tokens)):
        if pooling == "mean":
            tokens[s] /= height * width
        elif pooling == "weighted_mean":
            tokens[s] /= sum(maps[i, j, s] for i in range(height) for j in range(width)) + 1e-4
    return tokens, maps.transpose(2, 0, 1)


def token_learner_v11(image, weights):
    gamma, beta, *mlp_weights = weights
    grid = normalised(image, gamma, beta)
    logits = np.array([[mlp(cell, *mlp_weights) for cell in row] for row in grid])
    maps = softmax_over_cells(logits)
    return pool(maps, image), maps.transpose(2, 0, 1)


def grouped_token_learner(image, weights, groups):
    gamma, beta, mixing, to_logits, to_values = weights
    mixed = grouped_convolution(normalised(image, gamma, beta), mixing, groups)
    maps = softmax_over_cells(grouped_convolution(mixed, to_logits, groups=1))
    return pool(maps, grouped_convolution(image, to_values, groups)), maps.transpose(2, 0, 1)


def patch_merger(image, weights):
    gamma, beta, queries = weights  # queries: (dim, num_tokens)
    grid = normalised(image, gamma, beta)
    height, width, dim = grid.shape
    logits = np.zeros((height, width, queries.shape[1]))
    for i, j, s, c in product(range(height), range(width), range(queries.shape[1]), range(dim)):
        logits[i, j, s] += grid[i, j, c] * queries[c, s] / sqrt(dim)
    maps = softmax_over_cells(logits)
    return pool(maps, grid), maps.transpose(2, 0, 1)


def window_means(image, rows, columns):
    height, width, dim = image.shape
    tokens = np.zeros((rows * columns, dim))
    for i, j in product(range(height), range(width)):
        window = i // (height // rows) * columns + j // (width // columns)
        tokens[window] += image[i, j] * rows * columns / (height * width)
    return tokens


def strided_convolution(image, kernel, bias):
    """Return tokens of windows as large as the kernel `(height, width, dim, filters)`."""
    height, width, dim, filters = kernel.shape
    tokens = []
    for top, left in product(range(0, image.shape[0], height), range(0, image.shape[1], width)):
        token = bias.astype(float)
        for i, j, c, f in product(range(height), range(width), range(dim), range(filters)):
            token[f] += image[top + i, left + j, c] * kernel[i, j, c, f]
        tokens.append(token)
    return np.array(tokens)


def token_fuser(tokens, image, weights, use_normalization=True):
    weights = list(weights)
    if use_normalization:
        gamma, beta = weights.pop(0), weights.pop(0)
        tokens = np.array([layer_norm(token, gamma, beta) for token in tokens])
    kernel, bias = weights.pop(0), weights.pop(0)
    mixed = np.zeros(tokens.shape)
    for s in range(len(tokens)):
        mixed[s] = bias[s]
        for t in range(len(tokens)):
            mixed[s] += tokens[t] * kernel[t, s]
    if use_normalization:
        gamma, beta = weights.pop(0), weights.pop(0)
        mixed = np.array([layer_norm(token, gamma, beta) for token in mixed])
    gamma, beta, *mlp_weights = weights
    grid = normalised(image, gamma, beta)
    fused = np.zeros(image.shape)
    for i, j in product(*map(range, image.shape[:2])):
        logits = mlp(grid[i, j], *mlp_weights)
        fused[i, j] = sum(sigmoid(x) * token for x, token in zip(logits, mixed, strict=True))
    return fused
