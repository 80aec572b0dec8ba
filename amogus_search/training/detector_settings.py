"""What shapes a training run of the detector; no PyTorch, so that files and options can be checked without it."""

from __future__ import annotations

from dataclasses import dataclass

from amogus_search.errors import UsageError

ARCHITECTURES = ("yolov8n-pose", "yolo11n-pose", "yolo26n-pose")
"""Tried in this project; any one-class pose network that ultralytics builds by name will do."""


@dataclass(frozen=True)
class DetectorTraining:
    """A training run; the same values and seed give the same weights within noise.

    data:           dataset folders (YOLO-pose layout)
    start:          state dict to start from; empty: random weights
    photos:         folder of photos without the motif, shown as negatives; held-out ones are left out
    hard:           list of false findings to show often (`amogus train mine`); held-out photos are left out
    architecture:   a network of ultralytics, see `ARCHITECTURES`
    side_px:        side of the square training pictures
    epochs, batch, learning_rate, weight_decay, warmup_batches: as usual; cosine decay to 2 %
    negative_share: share of samples that are bare photo crops
    keypoint_sigma: how far a keypoint may be off, as a share of the figure's size, before its loss levels out
                    (sigma of COCO's object keypoint similarity); 0: one over the number of keypoints
    average_decay:  of the exponential moving average that is validated and kept
    minutes:        stop (resumably) after this long; 0: no limit

    Raises:
        UsageError: a value is out of its range.
    """

    data: tuple[str, ...]
    start: str = ""
    photos: str = ""
    hard: str = ""
    architecture: str = "yolov8n-pose"
    side_px: int = 320
    epochs: int = 8
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4
    warmup_batches: int = 100
    negative_share: float = 0.2
    average_decay: float = 0.998
    keypoint_sigma: float = 0.0
    seed: int = 0
    minutes: float = 0.0

    def __post_init__(self) -> None:
        lowest = {"epochs": 1, "batch": 1, "side_px": 32, "learning_rate": 0, "weight_decay": 0, "minutes": 0}
        lowest["keypoint_sigma"] = 0
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}", f"it must be at least {least}")
        for name in ("negative_share", "average_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}", "it must lie between 0 and 1")
