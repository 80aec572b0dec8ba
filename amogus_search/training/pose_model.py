"""The YOLO pose network: built without a download, started from plain tensors, fed and read here only.

One door to ultralytics for training. It is told, before it is imported, not to look at the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from amogus_search.core import yolo
from amogus_search.core.types import Detections
from amogus_search.detectors.ultralytics import keep_to_itself
from amogus_search.errors import MissingExtraError, WeightsError
from amogus_search.training.detector_settings import ARCHITECTURES
from amogus_search.training.pose_data import Sample
from amogus_search.whole_files import in_place_of


def build(architecture: str, keypoints: int) -> torch.nn.Module:
    """A one-class network with random weights, e.g. of architecture "yolov8n-pose".

    Without keypoints it is the detection network of the same family ("yolov8n"), whose tensors have the same
    names and shapes as those of the pose network, less its branch for keypoints.

    Raises:
        MissingExtraError: ultralytics is not installed.
        WeightsError: it knows no such architecture.
    """
    keep_to_itself()
    try:
        from ultralytics.cfg import get_cfg
        from ultralytics.nn.tasks import DetectionModel, PoseModel, yaml_model_load
    except ImportError as error:
        raise MissingExtraError("training needs ultralytics", 'pip install "amogus_search[train]"') from error
    name = architecture if keypoints else architecture.removesuffix("-pose")
    try:
        plan = yaml_model_load(f"{name}.yaml")
    except FileNotFoundError:
        raise WeightsError(
            f"ultralytics knows no architecture {name!r}", f"tried here: {', '.join(ARCHITECTURES)}"
        ) from None
    if plan.get("end2end"):
        # YOLO26 has a second head that needs no suppression and makes training slower. Its first one gives
        # candidates as all others do, and findings of many tiles go through a suppression here in any case.
        plan["end2end"] = False
    if keypoints:
        model = PoseModel(plan, ch=3, nc=1, data_kpt_shape=[keypoints, 3], verbose=False)
    else:
        model = DetectionModel(plan, ch=3, nc=1, verbose=False)
    model.args = get_cfg()
    model.names = {0: "amogus"}
    return model


def set_keypoint_sigma(model: torch.nn.Module, sigma: float) -> None:
    """Make the loss ask for keypoints this exact, see `DetectorTraining.keypoint_sigma`; before the first loss."""
    count = int(list(model.model.children())[-1].kpt_shape[0])
    model.kpt_oks_sigmas = torch.full((count,), sigma)


def load_matching(model: torch.nn.Module, path: Path) -> int:
    """Copy the tensors of a state dict (.safetensors, or .pt read weights-only) that fit; says how many did."""
    tensors = (
        load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True, map_location="cpu")
    )
    own = model.state_dict()
    fitting = {k: v.to(own[k].dtype) for k, v in tensors.items() if k in own and own[k].shape == v.shape}
    model.load_state_dict(fitting, strict=False)
    return len(fitting)


def save_tensors(state: Mapping[str, torch.Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a state dict as fp16 safetensors, via a temporary file."""
    halves = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}
    with in_place_of(path) as part:
        save_file(halves, part, metadata=dict(metadata))
        part.chmod(0o644)  # safetensors makes it readable by its owner alone


def architecture_of(path: Path) -> str:
    """What network a file of `save_tensors` holds, by its metadata; of older ones without any, YOLOv8n-pose.

    Raises:
        WeightsError: it is no safetensors file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return str((file.metadata() or {}).get("architecture", ARCHITECTURES[0]))
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors: {error}", "give best.safetensors of a run") from None


def blend(first: Path, second: Path, share: float) -> dict[str, torch.Tensor]:
    """The weighted mean of two runs of one network, `share` of it from the second.

    A fine-tuned network and the one it came from often do best half-way: see Wortsman et al., "Model
    soups" (2022).

    Raises:
        WeightsError: the files are not of the same network.
    """
    one, other = load_file(first), load_file(second)
    if {k: v.shape for k, v in one.items()} != {k: v.shape for k, v in other.items()}:
        raise WeightsError(f"{first} and {second} are not of the same network", "blend two runs of one architecture")
    return {
        key: torch.lerp(value.float(), other[key].float(), share) if value.is_floating_point() else value
        for key, value in one.items()
    }


def collate(samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
    """A batch in the form that ultralytics' pose loss takes; hidden keypoints count as absent.

    The visibility that the network learns is the evidence that is shown, and a part that something
    else covers is no evidence.
    """
    pixels = np.stack([s.pixels for s in samples]).transpose(0, 3, 1, 2)
    owner = np.repeat(np.arange(len(samples)), [len(s.boxes) for s in samples])
    points = np.concatenate([s.keypoints for s in samples]).copy()
    points[points[:, :, 2] < 2] = 0
    return {
        "img": torch.from_numpy(np.ascontiguousarray(pixels))
        .float()
        .div_(255)
        .contiguous(memory_format=torch.channels_last),
        "batch_idx": torch.from_numpy(owner.astype(np.float32)),
        "cls": torch.zeros(len(owner), 1),
        "bboxes": torch.from_numpy(np.concatenate([s.boxes for s in samples])),
        "keypoints": torch.from_numpy(points),
    }


def in_float32(values: Any) -> Any:
    """The same nest of tensors in fp32: the loss is not to be trusted in bf16."""
    if torch.is_tensor(values):
        return values.float()
    if isinstance(values, Mapping):
        return {key: in_float32(value) for key, value in values.items()}
    return type(values)(in_float32(value) for value in values)


def predict(
    model: torch.nn.Module, samples: Sequence[Sample], keypoint_names: Sequence[str], min_confidence: float = 0.01
) -> list[Detections]:
    """Findings in each sample, in its pixels."""
    batch = collate(samples)["img"]
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        answer = model(batch)
    raw = answer[0] if isinstance(answer, (tuple, list)) else answer
    table = raw.float().numpy()
    return [
        yolo.decode(one, min_confidence=min_confidence, max_iou=0.6, keypoint_names=keypoint_names) for one in table
    ]
