"""From the text tower of an open_clip model to a plan for `clip_text`, where it is of CLIP's own kind."""

from __future__ import annotations

import mmap
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.embedders.clip_openvino import REST_NAME
from amogus_search.embedders.clip_text import ACTIVATIONS, PlainText
from amogus_search.embedders.open_clip import OpenClipEmbedder
from amogus_search.embedders.vectors import unit_rows

_REST_MOST = 0.1
"""Share of the network's file that the rest may take; beyond, something is different about this tower."""
_LEAST_COSINE = 0.999999
"""Between an answer of the model and of the plan: more than what another activation would reach."""
_ALIGNMENT = 64


def write_plan(model: OpenClipEmbedder, folder: Path, texts: Sequence[str]) -> dict[str, Any] | None:
    """The plan of the model's text tower, and in the folder what it needs; None: it is of another kind.

    Args:
        model: on the CPU.
        folder: with the tower's `text.xml` and `text.bin`; gets `REST_NAME`.
        texts: answers to these are compared.
    """
    found = model.text_tensors()
    if found is None:
        return None
    tensors, heads, layers = found
    constants = _Constants(folder / "text.xml")
    places: dict[str, list[int]] = {}
    rest = bytearray()
    for name, tensor in tensors.items():
        offset = constants.find(tensor)
        if offset is None:
            rest += bytes(-len(rest) % _ALIGNMENT)
            places[name] = [1, len(rest), *tensor.shape]
            rest += tensor.tobytes()
        else:
            places[name] = [0, offset, *tensor.shape]
    plan = {"heads": heads, "layers": layers, "tensors": places}
    activation = _activation(model, plan, [constants.data, np.frombuffer(rest, np.uint8)], texts)
    if activation is None or len(rest) > max(_REST_MOST * len(constants.data), 1 << 20):
        return None
    (folder / REST_NAME).write_bytes(rest)
    return {**plan, "activation": activation}


def _activation(
    model: OpenClipEmbedder, plan: Mapping[str, Any], files: Sequence[NDArray[np.uint8]], texts: Sequence[str]
) -> str | None:
    """The one with which the plan answers as the model does; None if none."""
    tokens = model.tokens(texts)
    wanted = unit_rows(model.raw_texts(tokens), model.name).astype(np.float64)

    def cosine(activation: str) -> float:
        answers = PlainText({**plan, "activation": activation}, files)(tokens)
        if answers.shape != wanted.shape or not np.isfinite(answers).all():
            return -1.0
        return float((unit_rows(answers, model.name) * wanted).sum(axis=1).min())

    best = max(ACTIVATIONS, key=cosine)
    return best if cosine(best) >= _LEAST_COSINE else None


class _Constants:
    """Where an OpenVINO network keeps float32 constants."""

    def __init__(self, network: Path) -> None:
        with network.with_suffix(".bin").open("rb") as file:
            self.data = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        self._offsets: dict[int, list[int]] = {}
        for data in ET.parse(network).iter("data"):  # noqa: S314  (written a moment ago, by ourselves)
            if data.get("element_type") == "f32" and int(data.get("offset", "1")) % 4 == 0:
                self._offsets.setdefault(int(data.attrib["size"]), []).append(int(data.attrib["offset"]))

    def find(self, tensor: NDArray[np.float32]) -> int | None:
        """The offset in bytes of a constant of just these bits."""
        wanted = tensor.reshape(-1).view(np.uint8)
        for offset in self._offsets.get(len(wanted), ()):
            if np.array_equal(self.data[offset : offset + len(wanted)], wanted):
                return offset
        return None
