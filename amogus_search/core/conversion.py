"""The words of conversion: which findings, what about each may change, how much, and what a back end is asked to do.

Every default of `amogus convert` stands here once. Lengths are shares of the box's longer side, so that one setting
fits a bin across the street and the one in front of you.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.boxes import areas
from amogus_search.core.colours import Colour
from amogus_search.core.figure import Figure
from amogus_search.core.types import Boxes, Pixels
from amogus_search.errors import UsageError

MaskKind: TypeAlias = Literal["box", "ellipse", "silhouette"]
Order: TypeAlias = Literal["score", "area", "left-to-right", "top-to-bottom", "centre"]
SeedPer: TypeAlias = Literal["finding", "image", "run"]
Target: TypeAlias = Literal["box", "person"]
MASKS: tuple[MaskKind, ...] = ("box", "ellipse", "silhouette")
ORDERS: tuple[Order, ...] = ("score", "area", "left-to-right", "top-to-bottom", "centre")
PROMPT_FIELDS = ("color", "evidence")
PERSON_STRENGTH = 0.98
"""The strength for whole persons, unless one is asked for: nobody should have to look at a face through a belly."""
SEEN = 0.5
"""Evidence from which a part is named in a prompt."""


@dataclass(frozen=True)
class Choice:
    """Which findings of a picture are converted, of those that reach the threshold.

    top:      at most so many, the first in `order`; None: all
    min_area: smallest share of the picture that a box may have, 0..1
    max_area: largest share, 0..1
    order:    what comes first: the best score, the largest, the leftmost, the topmost, the nearest to the middle
    """

    top: int | None = None
    min_area: float = 0.0
    max_area: float = 1.0
    order: Order = "score"

    def __post_init__(self) -> None:
        if self.top is not None and self.top < 1:
            raise UsageError(f"{self.top} findings a picture", "choose 1 or more")
        if not 0 <= self.min_area <= self.max_area <= 1:
            raise UsageError(
                f"boxes of {self.min_area:g} to {self.max_area:g} of the picture", "0 <= smallest <= largest <= 1"
            )


@dataclass(frozen=True)
class MaskOptions:
    """What about a box may change.

    kind:    the box, the ellipse in it, or the outline of the motif's figure fitted to the keypoints
    dilate:  how far beyond that, as a share of the box's longer side; negative: how far within it
    feather: over which distance, outwards from there, the change fades out; likewise a share
    """

    kind: MaskKind = "silhouette"
    dilate: float = 0.06
    feather: float = 0.04

    def __post_init__(self) -> None:
        if self.kind not in MASKS:
            raise UsageError(f"there is no mask {self.kind!r}", f"there are: {', '.join(MASKS)}")
        if not -0.5 < self.dilate <= 2 or not 0 <= self.feather <= 2:
            raise UsageError(
                f"a mask dilated by {self.dilate:g} and feathered by {self.feather:g} of its box",
                "dilate by more than -0.5 and at most 2, feather by 0 to 2",
            )


@dataclass(frozen=True)
class Wish:
    """What a finding is to become.

    strength:        0 leaves it as it is, 1 keeps nothing of it
    colour:          of the crewmate; None: what the region suggests
    prompt:          for back ends that read; `{color}` and `{evidence}` are filled in
    negative_prompt: likewise: what it must not look like
    steps, guidance: for back ends that sample; None: their own defaults
    """

    strength: float = 0.75
    colour: Colour | None = None
    prompt: str = "a photo of a {color} crewmate from among us, matching light and grain"
    negative_prompt: str = "text, watermark, frame, deformed"
    steps: int | None = None
    guidance: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise UsageError(f"a strength of {self.strength:g}", "choose 0 (as it is) to 1 (all new)")
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"{self.steps} steps", "choose 1 or more")
        for text in (self.prompt, self.negative_prompt):
            filled_prompt(text, "red", {})


@dataclass(frozen=True)
class Conversion:
    """All that decides what comes out, for one run.

    pad:      context about a box that the back end sees, a share of its longer side on each side
    size_px:  side of the crop that it works on; None: what the back end likes
    seed:     the run's seed
    seed_per: what has a seed of its own, derived from the run's: every finding, every image, or nothing
    accept:   amogusness that the new crop must reach; None: nobody looks again
    tries:    how many seeds are tried until one is accepted; the best is kept
    """

    choice: Choice = field(default_factory=Choice)
    mask: MaskOptions = field(default_factory=MaskOptions)
    wish: Wish = field(default_factory=Wish)
    target: Target = "box"
    pad: float = 0.35
    size_px: int | None = None
    seed: int = 0
    seed_per: SeedPer = "finding"
    accept: float | None = 0.5
    tries: int = 3

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise UsageError(f"{self.tries} tries", "choose 1 or more")
        if self.accept is not None and not 0 <= self.accept <= 1:
            raise UsageError(f"accepting from an amogusness of {self.accept:g}", "choose 0 to 1")
        if self.size_px is not None and not 16 <= self.size_px <= 4096:
            raise UsageError(f"a working crop of {self.size_px} px", "choose 16 to 4096")
        if not 0 <= self.pad <= 10:
            raise UsageError(f"{self.pad:g} of the box as context", "choose 0 to 10")


@dataclass(frozen=True, eq=False)
class Job:
    """One crop and what a back end is to make of it. All geometry is in pixels of the crop.

    crop:           (h, w, 3) uint8 RGB; square where the back end names a side
    mask:           (h, w) float32 0..1: 0 must stay, 1 may change; what is in between is mixed by the caller
    box_xyxy:       (4,) float32, what was found
    keypoints:      name -> x, y, visibility 0..1; may be empty
    evidence:       part -> 0..1; may be empty
    figure:         the motif's figure laid into this pose
    colour:         asked for, or worn by a person; None: what the crop suggests
    strength, seed: see `Wish` and `Conversion`
    prompt, negative_prompt: filled in
    steps, guidance: None: the back end's own
    """

    crop: Pixels
    mask: NDArray[np.float32]
    box_xyxy: NDArray[np.float32]
    figure: Figure
    keypoints: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    evidence: Mapping[str, float] = field(default_factory=dict)
    colour: Colour | None = None
    strength: float = 0.75
    seed: int = 0
    prompt: str = ""
    negative_prompt: str = ""
    steps: int | None = None
    guidance: float | None = None

    def __post_init__(self) -> None:
        if self.crop.ndim != 3 or self.crop.shape[2] != 3 or self.crop.dtype != np.uint8:
            raise ValueError(f"a crop is (h, w, 3) uint8, not {self.crop.dtype}{self.crop.shape}")
        if self.mask.shape != self.crop.shape[:2] or self.mask.dtype != np.float32:
            raise ValueError(f"the mask is {self.mask.dtype}{self.mask.shape}, the crop {self.crop.shape}")


def chosen(boxes: Boxes, scores: NDArray[np.float64], size_wh: tuple[int, int], choice: Choice) -> NDArray[np.int64]:
    """Row numbers of the boxes to convert, in the order asked for; ties keep the order of the boxes.

    Args:
        boxes: (n, 4) pixels of the picture.
        scores: (n,) what "best" means; higher is better.
        size_wh: the picture's width and height.
        choice: see there.
    """
    area = areas(boxes).astype(np.float64)
    share = area / (size_wh[0] * size_wh[1])
    rows = np.flatnonzero((share >= choice.min_area) & (share <= choice.max_area))
    centre = (boxes[:, :2] + boxes[:, 2:]).astype(np.float64) / 2
    away = np.linalg.norm(centre - np.asarray(size_wh) / 2, axis=1)
    keys = {"score": -scores, "area": -area, "left-to-right": centre[:, 0], "top-to-bottom": centre[:, 1]}
    key = keys.get(choice.order, away)
    ordered = rows[np.argsort(key[rows], kind="stable")]
    return np.asarray(ordered[: choice.top], np.int64)


def seed_of(conversion: Conversion, sha256: str, box_xyxy: NDArray[np.float32], attempt: int) -> int:
    """The seed of one try, 0..2^31-1; the same for the same content and box, whatever else is converted.

    Args:
        conversion: whose seed, and for what.
        sha256: of the picture's file.
        box_xyxy: of the finding, in pixels of the upright picture; whole pixels count.
        attempt: from 0.
    """
    if conversion.seed_per == "run":
        return (conversion.seed + attempt) % 2**31
    corners = ",".join(str(round(float(v))) for v in box_xyxy) if conversion.seed_per == "finding" else ""
    text = f"{conversion.seed}:{sha256}:{corners}:{attempt}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1


def filled_prompt(text: str, colour_name: str, evidence: Mapping[str, float]) -> str:
    """The prompt with `{color}` and `{evidence}` (the parts that are seen) filled in.

    Raises:
        UsageError: it has another field, or a brace that is no field.
    """
    seen = ", ".join(part for part, share in evidence.items() if share >= SEEN)
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise UsageError(f"the prompt {text!r} cannot be read: {error}", "write {{ for a brace") from None
    strangers = [name for name in names if name not in PROMPT_FIELDS]
    if strangers:
        raise UsageError(f"the prompt has a field {{{strangers[0]}}}", "there are {color} and {evidence}")
    return text.format(color=colour_name, evidence=seen)
