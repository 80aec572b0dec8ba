"""Names of embedded models -> verified bytes, by the manifest `weights/weights.toml`.

A file is hashed and used from the same buffer, so nothing can change between the check and the load.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from amogus_search.core.calibration import Calibration
from amogus_search.core.motif import Motif
from amogus_search.errors import WeightsError

KINDS = ("detector", "embedder", "calibration", "converter")


@dataclass(frozen=True)
class Entry:
    """One model of the manifest.

    kind:  one of `KINDS`
    files: role -> file name, e.g. {"model": "amogus_detector.onnx"}
    about: everything else the manifest says of it
    """

    kind: str
    name: str
    files: Mapping[str, str]
    about: Mapping[str, Any]


def folder() -> Traversable:
    """Where the embedded weights lie: in the installed package, or beside it in a source tree."""
    try:
        return resources.files("amogus_search._weights")
    except ModuleNotFoundError:
        return Path(__file__).resolve().parent.parent / "weights"


@cache
def manifest() -> Mapping[str, Any]:
    """The parsed manifest.

    Raises:
        WeightsError: it is missing or unreadable.
    """
    path = folder() / "weights.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise WeightsError(f"the weights manifest {path} cannot be read: {error}", "reinstall amogus_search") from error


def names(kind: str) -> tuple[str, ...]:
    """Names of all embedded models of a kind, sorted."""
    return tuple(sorted(manifest().get(kind, {})))


def entry(kind: str, name: str) -> Entry:
    """One model's entry.

    Raises:
        WeightsError: there is none of that name.
    """
    found = manifest().get(kind, {}).get(name)
    if found is None:
        raise WeightsError(f"no embedded {kind} is called {name!r}", f"there are: {', '.join(names(kind)) or 'none'}")
    return Entry(kind, name, found["files"], {k: v for k, v in found.items() if k != "files"})


def read(file_name: str) -> bytes:
    """A weights file's bytes, after they proved to be the ones in the manifest.

    Raises:
        WeightsError: it is not listed, missing, or has another size or sha256.
    """
    listed = manifest().get("file", {}).get(file_name)
    if listed is None:
        raise WeightsError(f"{file_name} is not in the weights manifest", "reinstall amogus_search")
    try:
        content = (folder() / file_name).read_bytes()
    except OSError as error:
        raise WeightsError(
            f"the weights file {file_name} cannot be read: {error}", "reinstall amogus_search"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != listed["sha256"]:
        raise WeightsError(
            f"{file_name} has sha256 {digest[:12]}... ({len(content)} bytes), the manifest says "
            f"{listed['sha256'][:12]}... ({listed['bytes']} bytes)",
            "the file is damaged or not ours: reinstall amogus_search",
        )
    return content


def motif(name: str) -> Motif:
    """A motif's vocabulary from the manifest.

    Raises:
        WeightsError: there is none of that name.
    """
    found = manifest().get("motif", {}).get(name)
    if found is None:
        raise WeightsError(
            f"no embedded motif is called {name!r}", f"there are: {', '.join(manifest().get('motif', {}))}"
        )
    return Motif(
        name=name,
        keypoint_names=tuple(found["keypoints"]),
        flip_idx=tuple(found["flip_idx"]),
        parts={part: tuple(points) for part, points in found["parts"].items()},
        colours={part: (hues[0], hues[1]) for part, hues in found["colours"].items()},
    )


def motifs() -> dict[str, Motif]:
    """All embedded motifs by name."""
    return {name: motif(name) for name in manifest().get("motif", {})}


def calibration(name: str) -> Calibration:
    """An embedded calibration."""
    return Calibration.from_dict(json.loads(read(entry("calibration", name).files["curve"])))
