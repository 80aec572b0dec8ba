"""Which photos, and which false findings in them, a training run may be shown as having nothing to find."""

from __future__ import annotations

import hashlib
from pathlib import Path

from amogus_search.core.splits import is_held_out
from amogus_search.core.types import Pixels
from amogus_search.errors import AmogusError
from amogus_search.training import mining, pose_data
from amogus_search.training.mining import HardNegative


def may_train_on(path: Path) -> bool:
    """Whether a photo is not held out, by its content."""
    return not is_held_out(hashlib.sha256(path.read_bytes()).hexdigest())


def training_hard_negatives(listed: str) -> list[tuple[Pixels, HardNegative]]:
    """The listed false findings whose photos training may see, each with its photo."""
    negatives = mining.read(Path(listed)) if listed else []
    paths = [p for p in sorted({Path(n.path) for n in negatives}) if may_train_on(p)]
    photos = dict(zip(paths, pose_data.load_photos(paths), strict=True))
    return [(photos[Path(n.path)], n) for n in negatives if Path(n.path) in photos]


def training_photos(folder: str) -> list[Pixels]:
    """The photos below a folder that training may see (see `core.splits`), shrunk to fit in memory."""
    if not folder:
        return []
    paths = [p for p in sorted(Path(folder).rglob("*")) if p.suffix.lower() in {".jpg", ".jpeg", ".png"}]
    allowed = [p for p in paths if may_train_on(p)]
    if not allowed:
        raise AmogusError(
            f"no photos to train on in {folder}", "give a folder with JPEG or PNG photos, or leave it out"
        )
    return pose_data.load_photos(allowed)
