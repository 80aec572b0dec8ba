"""What is hunted: the names of a motif's keypoints and how they make up its evidence.

Only data: the built-in motif is written down in `weights/weights.toml`, a taught one in its own
folder. Code outside `synth` asks a `Motif` for names and never spells one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Motif:
    """A motif's vocabulary.

    name:           what it is called on the command line
    keypoint_names: the detector's keypoints, in its order; empty if it has none
    flip_idx:       keypoint order of the mirrored picture
    parts:          evidence part -> the keypoints whose visibilities it is the mean of
    colours:        evidence part -> (lowest, highest) hue in degrees of the body; may wrap past 360
    """

    name: str
    keypoint_names: tuple[str, ...] = ()
    flip_idx: tuple[int, ...] = ()
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    colours: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        strangers = {name for names in self.parts.values() for name in names} - set(self.keypoint_names)
        if strangers:
            raise ValueError(f"motif {self.name!r}: evidence names unknown keypoints {sorted(strangers)}")
        if sorted(self.flip_idx) != list(range(len(self.keypoint_names))):
            raise ValueError(f"motif {self.name!r}: flip_idx {self.flip_idx} is no order of its keypoints")

    @property
    def evidence_names(self) -> tuple[str, ...]:
        """The evidence columns, parts first, then colours."""
        return (*self.parts, *self.colours)
