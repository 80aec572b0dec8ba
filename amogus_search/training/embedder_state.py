"""Both towers as plain tensors, to start another training run from: safetensors, with the words in its header."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from amogus_search.errors import WeightsError


def tensors_file(tensors: Mapping[str, Tensor], words: Sequence[str]) -> bytes:
    """The towers and prototypes in half precision, and the words in the order of their numbers."""
    halves = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous() for name, tensor in tensors.items()
    }
    return bytes(save(halves, {"words": json.dumps(list(words))}))


def read_start(path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors in float32 and words of `tensors_file`, or of a run's `checkpoint.pt`.

    Raises:
        WeightsError: it is neither.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as opened:
                words = json.loads((opened.metadata() or {})["words"])
                return {name: opened.get_tensor(name).float() for name in opened.keys()}, words  # noqa: SIM118
        state = torch.load(path, weights_only=True, map_location="cpu")
        return dict(state["model"]), list(state["words"])
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError, pickle.UnpicklingError) as error:
        raise WeightsError(
            f"{path} cannot be read as the towers of an embedder: {error}",
            "give the .safetensors file or the checkpoint.pt of a run of `amogus train embedder`",
        ) from error


def read_backbone(path: Path) -> dict[str, Tensor]:
    """The tensors of a YOLOv8n: a state dict saved by torch (read without running code), or a .safetensors file.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as opened:
                return {name: opened.get_tensor(name).float() for name in opened.keys()}  # noqa: SIM118
        return dict(torch.load(path, weights_only=True, map_location="cpu"))
    except (OSError, TypeError, ValueError, RuntimeError, SafetensorError, pickle.UnpicklingError) as error:
        raise WeightsError(f"{path} cannot be read as a backbone: {error}", "give the tensors of a YOLOv8n") from error
