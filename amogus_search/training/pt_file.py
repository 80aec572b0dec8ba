"""Our weights as a `.pt` file that ultralytics opens like one of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load

from amogus_search.core.motif import Motif
from amogus_search.errors import WeightsError
from amogus_search.training import pose_model


def write_pt(tensors: bytes, architecture: str, motif: Motif, out: Path) -> None:
    """Write the network with its weights and keypoint names to `out`.

    Args:
        tensors: a safetensors file's bytes, as `pose_model.save_tensors` wrote it.
        architecture: e.g. "yolov8n-pose".
        motif: its keypoints, in the network's order.
        out: the .pt file, by way of a temporary one.

    Raises:
        WeightsError: the tensors are not those of the architecture.
        MissingExtraError: ultralytics is not installed.
    """
    model: Any = pose_model.build(architecture, len(motif.keypoint_names))
    own = model.state_dict()
    given = {name: value.to(own[name].dtype) for name, value in load(tensors).items() if name in own}
    if set(given) != set(own):
        raise WeightsError(
            f"{len(set(own) - set(given))} tensors of {architecture} are missing", "reinstall amogus_search"
        )
    model.load_state_dict(given)
    model.names = {0: motif.name}
    model.kpt_names = {0: list(motif.keypoint_names)}
    temporary = out.with_name(out.name + ".part")
    torch.save({"model": model.half().eval(), "ema": None, "train_args": {"task": "pose", "imgsz": 640}}, temporary)
    temporary.replace(out)
