"""Three frozen sets of drawn scenes: so that an easier renderer cannot raise the score.

`frozen_tiers.toml` states what is drawn (tier, number, seed, size) and what the first scenes looked like when it was
frozen: a digest of each scene's labels and pixels, and a coarse grey thumbnail. Before a set is used its first scenes
are drawn again and compared. Where a digest differs, the thumbnail and the number of amogi decide: rounding on another
processor moves a pixel by a level, a renderer that draws otherwise moves more than that. The seeds are used nowhere
else.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from amogus_search.core.types import Pixels
from amogus_search.errors import AmogusError, UsageError
from amogus_search.evaluation.labelled import LabelledImage, read_dataset
from amogus_search.exports.folders import claim_folder, write_whole
from amogus_search.synth.dataset import pose_label_lines, scene_rng, write_pose_dataset
from amogus_search.synth.scenes import Scene, generate_scene

SPECIFICATION = "frozen_tiers.toml"
FROZEN_SCENES = 20
"""So many scenes of a tier are described in the specification."""
_THUMBNAIL_PX = 8
_SAME_LEVEL = 1
"""Thumbnail cells of 40 x 40 pixels whose means differ by more levels of 255 show another drawing."""
_MARK = "frozen.json"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FrozenTier:
    """One set and how it was drawn.

    scenes: of each of the first ones: digest, number of amogi, thumbnail as hex digits, separated by spaces
    """

    name: str
    number: int
    seed: int
    size_px: int
    scenes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Changes with anything in it."""
        text = f"{self.name} {self.number} {self.seed} {self.size_px} {' '.join(self.scenes)}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def frozen_tiers(text: str | None = None) -> dict[str, FrozenTier]:
    """The tiers of a specification by name; of the package's own by default."""
    if text is None:
        text = (resources.files("amogus_search.evaluation") / SPECIFICATION).read_text("utf-8")
    tiers = tomllib.loads(text)["tier"]
    return {
        name: FrozenTier(name, one["number"], one["seed"], one["size_px"], tuple(one["scenes"]))
        for name, one in tiers.items()
    }


def check(tier: FrozenTier, scenes: int = FROZEN_SCENES) -> None:
    """Draw the first scenes again and compare them with the specification.

    Raises:
        AmogusError: the renderer draws another set than the one that was frozen.
    """
    for number, frozen in enumerate(tier.scenes[:scenes]):
        if not _same(frozen, described(tier, number)):
            raise AmogusError(
                f"the renderer has changed: scene {number} of the frozen tier {tier.name!r} comes out differently,"
                " so figures would not compare with earlier ones",
                "after a deliberate change of the renderer: amogus eval tiers --freeze, and measure every figure anew",
            )


def described(tier: FrozenTier, number: int) -> str:
    """What a specification says of one scene, as the renderer draws it now."""
    scene = _scene(tier, number)
    return f"{_digest(scene)} {len(scene.boxes_xyxy)} {_thumbnail(scene.image).tobytes().hex()}"


def frozen_again(tiers: Mapping[str, FrozenTier]) -> str:
    """The text of the specification for the renderer as it is now."""
    lines = [
        "# Frozen sets of drawn scenes, by which detectors are compared (see evaluation/tiers.py).",
        "# Written by `amogus eval tiers --freeze`; whoever freezes anew measures every figure anew.",
        "# A line a scene: digest of labels and pixels, number of amogi, grey thumbnail of 8 x 8 means.",
    ]
    for tier in tiers.values():
        lines += ["", f"[tier.{tier.name}]"]
        lines += [f"number = {tier.number}", f"seed = {tier.seed}", f"size_px = {tier.size_px}", "scenes = ["]
        lines += [f'    "{described(tier, number)}",' for number in range(FROZEN_SCENES)]
        lines += ["]"]
    return "\n".join(lines) + "\n"


def freeze(path: Path | None = None) -> Path:
    """Write the specification anew for the renderer as it is now; by default into the package itself."""
    out = path or Path(str(resources.files("amogus_search.evaluation") / SPECIFICATION))
    write_whole(out, frozen_again(frozen_tiers()).encode())
    return out


def rendered(tier: FrozenTier, out: Path, *, workers: int = 1, progress: Progress | None = None) -> list[LabelledImage]:
    """The tier's pictures in a folder, drawn unless it holds just these already.

    Args:
        tier: what to draw; `check` it first.
        out: a folder of its own.
        workers: drawing processes.
        progress: called with (done, all).

    Raises:
        UsageError: the folder holds something else.
    """
    if _mark(out) != tier.digest:
        claim_folder(out, lambda folder: _mark(folder) is not None, "a frozen tier", overwrite=False)
        # The mark goes first and comes back last, so that half a set is never taken for a whole one.
        write_whole(out / _MARK, json.dumps({"digest": "", "tier": tier.name}).encode())
        size_wh = (tier.size_px, tier.size_px)
        write_pose_dataset(out, tier.number, tier.seed, (), size_wh, tier.name, workers, progress)
        write_whole(out / _MARK, json.dumps({"digest": tier.digest, "tier": tier.name}).encode())
    images = read_dataset(out)
    if len(images) != tier.number:
        raise UsageError(f"{out} holds {len(images)} pictures, not the {tier.number} of the tier", "remove the folder")
    return images


def _scene(tier: FrozenTier, number: int) -> Scene:
    size_wh = (tier.size_px, tier.size_px)
    return generate_scene(scene_rng(tier.seed, number), size_wh, (), tier.name)


def _digest(scene: Scene) -> str:
    content = "\n".join(pose_label_lines(scene)).encode() + np.ascontiguousarray(scene.image).tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def _thumbnail(pixels: Pixels) -> Pixels:
    """(8, 8) uint8 mean grey of the cells."""
    grey = pixels.astype(np.float64).mean(axis=2)
    rows = np.array_split(grey, _THUMBNAIL_PX, axis=0)
    cells = [[cell.mean() for cell in np.array_split(row, _THUMBNAIL_PX, axis=1)] for row in rows]
    return np.asarray(np.round(cells), np.uint8)


def _same(frozen: str, drawn: str) -> bool:
    (digest, count, thumbnail), (new_digest, new_count, new_thumbnail) = frozen.split(), drawn.split()
    if digest == new_digest:
        return True
    levels = [np.frombuffer(bytes.fromhex(one), np.uint8).astype(int) for one in (thumbnail, new_thumbnail)]
    return count == new_count and bool(np.abs(levels[0] - levels[1]).max() <= _SAME_LEVEL)


def _mark(folder: Path) -> str | None:
    """The digest of the tier that a folder holds: empty for an unfinished one, None if it holds no tier."""
    try:
        return str(json.loads((folder / _MARK).read_text(encoding="utf-8"))["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def names(wanted: Sequence[str] = ()) -> list[str]:
    """The tiers to measure: those asked for, or all, in the order of the specification.

    Raises:
        UsageError: there is no such tier.
    """
    known = list(frozen_tiers())
    for name in wanted:
        if name not in known:
            raise UsageError(f"there is no frozen tier called {name!r}", f"there are: {', '.join(known)}")
    return [name for name in known if not wanted or name in wanted]
