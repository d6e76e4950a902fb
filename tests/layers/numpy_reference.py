"""The layers once more in plain NumPy, for one image `(height, width, dim)`, in float64.

Weights come in the order of `get_weights()`; maps are `(height, width, num_tokens)` inside.
"""

from math import erf

import numpy as np


def layer_norm(x, gamma, beta):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * gamma + beta


def gelu(x, approximate=True):
    if approximate:
        return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2
    return x * (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    x = np.exp(x - x.max(axis, keepdims=True))
    return x / x.sum(axis, keepdims=True)


def mlp(x, weights, activate_last=False):
    kernel1, bias1, kernel2, bias2 = weights
    x = gelu(x @ kernel1 + bias1) @ kernel2 + bias2
    return gelu(x) if activate_last else x


def convolution(image, kernel):
    """Return the 3×3 "same" convolution."""
    height, width, _ = image.shape
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    shifted = [[padded[i : i + height, j : j + width] for j in range(3)] for i in range(3)]
    return np.einsum("ijhwc,ijcf->hwf", shifted, kernel)


def grouped_convolution(image, kernel, groups):
    """Return the 1×1 convolution in groups; `kernel`: `(1, 1, dim / groups, filters)`."""
    parts = zip(np.split(image, groups, -1), np.split(kernel[0, 0], groups, -1), strict=True)
    return np.concatenate([part @ weights for part, weights in parts], axis=-1)


def pool(maps, values):
    """Return the tokens, and the maps as `(num_tokens, height, width)`."""
    return np.einsum("hws,hwc->sc", maps, values), maps.transpose(2, 0, 1)


def token_learner(image, weights, pooling="mean", approximate_gelu=True):
    gamma, beta, *kernels = weights
    maps = layer_norm(image, gamma, beta)
    for kernel in kernels[:3]:
        maps = gelu(convolution(maps, kernel), approximate_gelu)
    maps = sigmoid(convolution(maps, kernels[3]))
    tokens, maps = pool(maps, image)
    areas = maps.sum((1, 2))[:, None] + 1e-4
    divisor = {"mean": maps[0].size, "sum": 1, "weighted_mean": areas}
    return tokens / divisor[pooling], maps


def token_learner_v11(image, weights):
    gamma, beta, *mlp_weights = weights
    return pool(softmax(mlp(layer_norm(image, gamma, beta), mlp_weights), (0, 1)), image)


def grouped_token_learner(image, weights, groups):
    gamma, beta, mixing, to_logits, to_values = weights
    mixed = grouped_convolution(layer_norm(image, gamma, beta), mixing, groups)
    maps = softmax(mixed @ to_logits[0, 0], (0, 1))
    return pool(maps, grouped_convolution(image, to_values, groups))


def patch_merger(image, weights):
    gamma, beta, queries = weights  # queries: (dim, num_tokens)
    grid = layer_norm(image, gamma, beta)
    return pool(softmax(grid @ queries / np.sqrt(grid.shape[-1]), (0, 1)), grid)


def windows(image, rows, columns):
    """Return `(rows * columns, cells, dim)`."""
    parts = [np.split(row, columns, axis=1) for row in np.split(image, rows)]
    return np.array([part.reshape(-1, image.shape[-1]) for row in parts for part in row])


def strided_convolution(image, kernel, bias):
    """Return tokens of windows as large as the kernel `(height, width, dim, filters)`."""
    height, width, dim, filters = kernel.shape
    cells = windows(image, image.shape[0] // height, image.shape[1] // width)
    return np.einsum("wcd,cdf->wf", cells, kernel.reshape(-1, dim, filters)) + bias


def token_fuser(tokens, image, weights, use_normalization=True):
    if use_normalization:
        *norm1, kernel, bias = weights[:4]
        norm2, weights = weights[4:6], weights[6:]
        mixed = layer_norm(kernel.T @ layer_norm(tokens, *norm1) + bias[:, None], *norm2)
    else:
        kernel, bias, *weights = weights
        mixed = kernel.T @ tokens + bias[:, None]
    gamma, beta, *mlp_weights = weights
    return sigmoid(mlp(layer_norm(image, gamma, beta), mlp_weights)) @ mixed
