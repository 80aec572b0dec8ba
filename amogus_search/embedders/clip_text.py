"""CLIP's own text tower in NumPy: for the few words of a question, it answers before a network would be compiled.

Its tensors are used where they lie in a mapped file, nothing is built or packed first, and only those places of a text
are computed that words fill: the tower is causal, so that what stands behind the end mark changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.errors import WeightsError

ACTIVATIONS = ("gelu", "quick_gelu")
_AT_ONCE = 16
_EPSILON = 1e-5
"""Of layer norms, as in all of open_clip's."""
_BLOCK = {
    **{f"{norm}.{part}": ("width",) for norm in ("ln_1", "ln_2") for part in ("weight", "bias")},
    "attn.in_proj_weight": ("thrice", "width"),
    "attn.in_proj_bias": ("thrice",),
    "attn.out_proj.weight": ("width", "width"),
    "attn.out_proj.bias": ("width",),
    "mlp.c_fc.weight": ("inner", "width"),
    "mlp.c_fc.bias": ("inner",),
    "mlp.c_proj.weight": ("width", "inner"),
    "mlp.c_proj.bias": ("width",),
}
_ENDS = {
    "token_embedding.weight": ("words", "width"),
    "positional_embedding": ("length", "width"),
    "ln_final.weight": ("width",),
    "ln_final.bias": ("width",),
    "text_projection": ("width", "answer"),
}
"""Tensors of each block, and the others; their sides by name."""

Floats = NDArray[np.float32]


def tensor_names(layers: int) -> tuple[str, ...]:
    """What a tower of so many layers consists of, by open_clip's names."""
    return tuple(_sides(layers))


def _sides(layers: int) -> dict[str, tuple[str, ...]]:
    blocks = {f"transformer.resblocks.{layer}.{part}": _BLOCK[part] for layer in range(layers) for part in _BLOCK}
    return {**_ENDS, **blocks}


class PlainText:
    """Token numbers to what the tower answers.

    Args:
        plan: `heads`, `layers`, `activation`, and `tensors`: name -> number of the file, offset in bytes, sides.
        files: bytes, each (n,) uint8; float32 little-endian at the offsets.

    Raises:
        WeightsError: the plan and the files do not fit together.
    """

    def __init__(self, plan: Mapping[str, Any], files: Sequence[NDArray[np.uint8]]) -> None:
        try:
            self._heads, self._layers = int(plan["heads"]), int(plan["layers"])
            self._activate = _ACTIVATIONS[plan["activation"]]
            self._tensors = {
                name: _tensor(files, *(int(number) for number in plan["tensors"][name]))
                for name in tensor_names(self._layers)
            }
            self._check_sides()
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise WeightsError(f"a text tower is not what its card says: {error}", "export the model again") from None

    def _check_sides(self) -> None:
        width = self._tensors["text_projection"].shape[0]
        known = {"width": width, "thrice": 3 * width}
        for name, sides in _sides(self._layers).items():
            found = self._tensors[name].shape
            fits = len(found) == len(sides)
            if not fits or any(known.setdefault(*pair) != pair[1] for pair in zip(sides, found, strict=True)):
                raise ValueError(f"{name} is of another shape")
        if self._heads < 1 or width % self._heads:
            raise ValueError(f"{self._heads} heads do not share {width} numbers")

    def __call__(self, tokens: NDArray[np.int64]) -> Floats:
        """(n, d) float32 of (n, length) numbers; the end mark is the highest of a text, and its place is what counts.

        A text's last bits may depend on what it is asked together with, as the sums are taken in another order.
        """
        parts = [self._some(tokens[start : start + _AT_ONCE]) for start in range(0, len(tokens), _AT_ONCE)]
        return np.concatenate([np.zeros((0, self._tensors["text_projection"].shape[1]), np.float32), *parts])

    def _some(self, tokens: NDArray[np.int64]) -> Floats:
        ends = tokens.argmax(axis=1)
        length = int(ends.max()) + 1
        values = self._tensors["token_embedding.weight"][tokens[:, :length]]
        values += self._tensors["positional_embedding"][:length]
        for layer in range(self._layers):
            block = f"transformer.resblocks.{layer}"
            values += self._attended(self._normed(values, f"{block}.ln_1"), f"{block}.attn")
            wide = self._activate(self._linear(self._normed(values, f"{block}.ln_2"), f"{block}.mlp.c_fc."))
            values += self._linear(wide, f"{block}.mlp.c_proj.")
        pooled = self._normed(values[np.arange(len(tokens)), ends], "ln_final")
        return np.asarray(pooled @ self._tensors["text_projection"], np.float32)

    def _attended(self, values: Floats, name: str) -> Floats:
        """(n, t, w): every place a mean of itself and those before it."""
        count, length, width = values.shape
        parts = self._linear(values, f"{name}.in_proj_").reshape(count, length, 3, self._heads, -1)
        asked, keys, answers = parts.transpose(2, 0, 3, 1, 4)
        scores = asked @ keys.swapaxes(-1, -2) * np.float32(1 / math.sqrt(keys.shape[-1]))
        scores[..., np.triu(np.ones((length, length), bool), 1)] = -np.inf
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        joined = (shares @ answers).transpose(0, 2, 1, 3).reshape(count, length, width)
        return self._linear(joined, f"{name}.out_proj.")

    def _linear(self, values: Floats, name: str) -> Floats:
        weight, bias = self._tensors[f"{name}weight"], self._tensors[f"{name}bias"]
        flat = values.reshape(-1, values.shape[-1]) @ weight.T + bias
        return np.asarray(flat.reshape(*values.shape[:-1], -1), np.float32)

    def _normed(self, values: Floats, name: str) -> Floats:
        centred = values - values.mean(axis=-1, keepdims=True)
        centred /= np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
        return np.asarray(centred * self._tensors[f"{name}.weight"] + self._tensors[f"{name}.bias"], np.float32)


def _tensor(files: Sequence[NDArray[np.uint8]], number: int, offset: int, *sides: int) -> Floats:
    size = math.prod(sides) * 4
    if min(number, offset, *sides) < 0 or offset + size > len(files[number]):
        raise ValueError("a tensor lies outside of its file")
    return files[number][offset : offset + size].view("<f4").reshape(sides)


def _gelu(values: Floats) -> Floats:
    """With the error function to 2e-7 (Abramowitz and Stegun 7.1.26), since NumPy has none."""
    size = np.abs(values) * np.float32(math.sqrt(0.5))
    inverse = 1 / (1 + np.float32(0.3275911) * size)
    series: Any = np.float32(1.061405429)
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = series * inverse + np.float32(factor)
    tail = series * inverse * np.exp(-np.square(size))
    return np.asarray(values * np.where(values < 0, tail, 2 - tail) * np.float32(0.5), np.float32)


def _quick_gelu(values: Floats) -> Floats:
    return np.asarray(values / (1 + np.exp(np.float32(-1.702) * values)), np.float32)


_ACTIVATIONS = dict(zip(ACTIVATIONS, (_gelu, _quick_gelu), strict=True))
