"""From names to what a dream climbs: a detector with its second look, or an embedder and a text. In PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from amogus_search import motif_folders, registry, weights
from amogus_search.core.motif import Motif
from amogus_search.core.ranking import combine
from amogus_search.dreaming.detector import DetectorObjective
from amogus_search.dreaming.text import DirectionObjective
from amogus_search.embedders.words import Verifier, from_json
from amogus_search.errors import MissingExtraError, UsageError, WeightsError
from amogus_search.pipeline.terms import Text, prompts
from amogus_search.training import pt_file
from amogus_search.training.embedder_towers import CROP_PX, ImageTower
from amogus_search.training.motif import ARCHITECTURE

_IMAGE = "image."
"""What the image tower's tensors are called by, in the file of both towers."""


def detector_objective(name: str) -> DetectorObjective:
    """A detector to climb: `amogus`, `motif:NAME`, or the path of a `.pt` file of ultralytics.

    Raises:
        UsageError: it is one that has no derivatives here.
        WeightsError: its weights are missing or not what they should be.
        MissingExtraError: ultralytics or onnx is not installed.
    """
    base, _, argument = name.partition(":")
    if base == registry.DEFAULT:
        entry = weights.entry("detector", argument or registry.DEFAULT)
        motif = weights.motif(entry.about["motif"])
        network = _network(weights.read(entry.files["model"]), str(entry.about["architecture"]), motif)
        return DetectorObjective(network, points=len(motif.keypoint_names), margin=_second_look(), margin_px=CROP_PX)
    if base == "motif":
        taught = motif_folders.read(motif_folders.find(argument))
        points = len(taught.motif.keypoint_names)
        architecture = ARCHITECTURE if points else ARCHITECTURE.removesuffix("-pose")
        return DetectorObjective(_network(taught.model, architecture, taught.motif), points=points)
    if Path(name).suffix.lower() == ".pt":
        return _foreign(Path(name))
    raise UsageError(f"{name!r} has no derivatives to climb", "dream with amogus, motif:NAME or a .pt file")


def direction_objective(text: str, embedder: str) -> DirectionObjective:
    """An embedder and a text to climb: `amogus`, or `open_clip:MODEL/PRETRAINED`.

    Raises:
        UsageError: it is one that has no derivatives here, or the text has no words.
        WeightsError, MissingExtraError: as `registry.load_embedder`.
    """
    base, _, argument = embedder.partition(":")
    if base not in (registry.DEFAULT, "open_clip"):
        raise UsageError(f"{embedder!r} has no derivatives to climb", "dream with amogus or open_clip:MODEL/PRETRAINED")
    loaded: Any = registry.load_embedder(embedder)
    texts = prompts(loaded, Text(text))
    direction = combine(loaded.embed_texts(texts), [1.0] * len(texts))
    if base == registry.DEFAULT:
        tower, side_px = _embedded_tower(argument), CROP_PX
    else:
        tower, side_px = loaded.differentiable()
    return DirectionObjective(tower, side_px, direction)


def _network(model: bytes, architecture: str, motif: Motif) -> Any:
    try:
        network = pt_file.network_of(model, architecture, motif)
    except ImportError as error:
        raise MissingExtraError(f"a dream needs {error.name}", 'pip install "amogus_search[train]"') from error
    return network.requires_grad_(False)


def _foreign(path: Path) -> DetectorObjective:
    from amogus_search.detectors.ultralytics import load_yolo

    if not path.is_file():
        raise WeightsError(f"there is no detector file {path}", "give the path of a .pt file")
    model = load_yolo(path)
    network: Any = model.model
    if not isinstance(network, torch.nn.Module):
        raise UsageError(f"{path} has no derivatives to climb", "give a .pt file")
    shape = getattr(network.model[-1], "kpt_shape", (0, 0))
    points = int(shape[0]) if shape[1] == 3 else 0
    return DetectorObjective(network.float().eval().requires_grad_(False), classes=len(model.names), points=points)


def _second_look() -> Callable[[torch.Tensor], torch.Tensor]:
    """Crops -> margins, as `embedders.words.Verifier` computes them, with derivatives."""
    tower = _embedded_tower("")
    _, verifier = from_json(weights.read(weights.entry("embedder", registry.DEFAULT).files["words"]).decode())

    def margin(crops: torch.Tensor) -> torch.Tensor:
        vectors = tower(crops)
        near = [_near(vectors, side, verifier) for side in (verifier.motif, verifier.other)]
        return (near[0] - near[1]) / verifier.sharpness

    return margin


def _near(vectors: torch.Tensor, side: NDArray[np.float32], verifier: Verifier) -> torch.Tensor:
    prototypes = torch.from_numpy(side.copy())
    return torch.logsumexp(verifier.sharpness * vectors @ prototypes.T, 1) - math.log(len(side))


def _embedded_tower(argument: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """(n, 3, CROP_PX, CROP_PX) in 0..1 -> (n, d) unit vectors."""
    try:
        from safetensors.torch import load
    except ImportError as error:
        raise MissingExtraError("a dream needs safetensors", 'pip install "amogus_search[train]"') from error
    entry = weights.entry("embedder", argument or registry.DEFAULT)
    tensors = load(weights.read(entry.files["tensors"]))
    tower = ImageTower()
    tower.load_state_dict(
        {name.removeprefix(_IMAGE): value.float() for name, value in tensors.items() if name.startswith(_IMAGE)}
    )
    tower.eval().requires_grad_(False)

    def vectors(crops: torch.Tensor) -> torch.Tensor:
        return F.normalize(tower(crops.permute(0, 2, 3, 1) * 255.0), dim=1)

    return vectors
