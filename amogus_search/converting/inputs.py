"""What `amogus convert` is given, as one list: files, what is known to be in them, and where each goes under OUT.

Boxes come from JSON in our own form (what `amogus detect --format json` or `jsonl` prints; a finding may also have
`occluders`, polygons `[[x, y], ...]` that stay in front) or from a COCO file.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.paths import display_path, path_from_text
from amogus_search.core.types import Detections, FileEntry, FindingScores, Hit
from amogus_search.errors import AmogusError, UsageError
from amogus_search.pipeline.conversion_crops import Target
from amogus_search.sources.folder import FolderSource

Passes: TypeAlias = Callable[[Detections, FindingScores], NDArray[np.bool_]]
"""(n,) whether each finding counts."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """One input.

    entry:   the file
    inside:  its path relative to what OUT mirrors
    targets: what is to be converted; None: whatever the detector finds
    sha256:  of the content that the targets belong to; "" if nobody knows
    stem:    of the names in OUT, without extension, relative to OUT
    """

    entry: FileEntry
    inside: bytes
    targets: tuple[Target, ...] | None = None
    sha256: str = ""
    stem: bytes = b""


def from_paths(paths: Sequence[str | bytes | Path], *, exclude: Sequence[str] = ()) -> list[Wanted]:
    """Every candidate of files and folders, to be looked at by the detector.

    Raises:
        AmogusError: a path does not exist, or there is no picture.
    """
    source = FolderSource(paths, exclude=exclude)
    base = mirrored(source.roots)
    return named([Wanted(entry, _inside(entry, base)) for entry in source.scan()])


def from_boxes(boxes: Path, paths: Sequence[str | bytes | Path] = (), *, exclude: Sequence[str] = ()) -> list[Wanted]:
    """The files that a JSON file of boxes speaks of; with paths, all candidates there, those without boxes too.

    Raises:
        AmogusError: the file cannot be read or has boxes that are none, or no picture in it is there.
    """
    listed = read_boxes(boxes)
    if paths:
        found = from_paths(paths, exclude=exclude)
        known = {wanted.entry.path: targets for wanted, targets in _matched(found, listed, boxes)}
        return [replace(wanted, targets=known.get(wanted.entry.path, ())) for wanted in found]
    files = {os.path.realpath(_located(path, boxes)): targets for path, targets in listed.items()}
    if not files:
        raise AmogusError(f"{boxes} names no picture", "it needs paths and boxes, as amogus detect -f json prints")
    source = FolderSource(list(files))
    base = mirrored(source.roots)
    return named([Wanted(entry, _inside(entry, base), files[entry.path]) for entry in source.scan()])


def from_hits(
    hits: Iterable[Hit], source_folders: Sequence[bytes], passes: Passes, *, regions: bool = False
) -> list[Wanted]:
    """The files of an answer: of a region its finding, of an image all its findings that pass.

    Args:
        hits: in order of rank; the files come in that order.
        source_folders: roots of the index, whose structure OUT mirrors.
        passes: `Threshold.passes` of what counts among an image's findings.
        regions: whether hits are regions: then their own findings are converted, whatever their score.
    """
    rows: dict[bytes, tuple[Hit, list[int]]] = {}
    for hit in hits:
        _, known = rows.setdefault(hit.path, (hit, []))
        every = np.flatnonzero(passes(hit.detections, hit.scores)).tolist()
        new = every if not regions or hit.detection is None else [hit.detection]
        known += [row for row in new if row not in known]
    base = mirrored(source_folders) if source_folders else b"/"
    return named(
        [
            Wanted(
                FileEntry(path, path, None),
                os.path.relpath(path, base),
                tuple(target_of(hit.detections, row, hit.scores) for row in wanted),
                hit.sha256,
            )
            for path, (hit, wanted) in rows.items()
        ]
    )


def target_of(detections: Detections, row: int, scores: FindingScores) -> Target:
    """One finding as something to convert."""
    points = zip(detections.keypoint_names, detections.keypoints[row], strict=True)
    parts = zip(detections.evidence_names, detections.evidence[row], strict=True)
    amogusness = float(scores.amogusness[row])
    return Target(
        box_xyxy=np.array(detections.xyxy[row], np.float32),
        keypoints={name: (float(x), float(y), float(v)) for name, (x, y, v) in points},
        evidence={name: float(share) for name, share in parts},
        confidence=float(detections.confidence[row]),
        amogusness=None if np.isnan(amogusness) else amogusness,
    )


def mirrored(roots: Sequence[bytes]) -> bytes:
    """The folder whose structure OUT has: the one that was named, or the nearest one above all that were."""
    return os.path.commonpath([root if os.path.isdir(root) else os.path.dirname(root) for root in roots])


def named(wanted: Sequence[Wanted]) -> list[Wanted]:
    """With stems: the name without its extension, and with it wherever two names in a folder would become one.

    Raises:
        UsageError: two files would still have the same name.
    """
    bare = [os.path.splitext(one.inside)[0] for one in wanted]
    twice = {stem for stem, count in Counter(bare).items() if count > 1}
    stems = [one.inside if stem in twice else stem for one, stem in zip(wanted, bare, strict=True)]
    again = {stem for stem, count in Counter(stems).items() if count > 1}
    stems = [one.inside if stem in again else stem for one, stem in zip(wanted, stems, strict=True)]
    for stem, count in Counter(stems).items():
        if count > 1:
            raise UsageError(f"several pictures would be written as {display_path(stem)}", "convert them one by one")
    return [replace(one, stem=stem) for one, stem in zip(wanted, stems, strict=True)]


def read_boxes(path: Path) -> dict[bytes, tuple[Target, ...]]:
    """Picture name -> its targets, from JSON, JSON lines or COCO.

    Raises:
        AmogusError: the file cannot be read, or something in it is no box.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AmogusError(f"{path} cannot be read: {error}", "give a JSON file of boxes") from None
    record = _parsed(text, path)
    if isinstance(record, dict) and "annotations" in record:
        return _from_coco(record, path)
    images = record if isinstance(record, list) else [record]
    found: dict[bytes, tuple[Target, ...]] = {}
    for number, image in enumerate(images):
        if not isinstance(image, dict) or not ("path" in image or "path_hex" in image):
            raise AmogusError(f"{path}: entry {number} has no path", _FORM)
        name = bytes.fromhex(image["path_hex"]) if "path_hex" in image else path_from_text(str(image["path"]))
        targets = image.get("detections", [image] if "box" in image else [])
        where = f"{path}: {display_path(name)}"
        found[name] = found.get(name, ()) + tuple(_target(target, where) for target in targets)
    return found


_FORM = 'each entry is {"path": ..., "detections": [{"box": [x1, y1, x2, y2]}]}, or the file is COCO'


def _parsed(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        problem = error
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        raise AmogusError(f"{path} is no JSON: {problem}", _FORM) from None


def _target(record: Any, where: str) -> Target:
    if not isinstance(record, dict):
        raise AmogusError(f"{where}: a finding is not an object", _FORM)
    box = _numbers(record.get("box"), 4, where)
    if not (box[2] > box[0] and box[3] > box[1]):
        raise AmogusError(f"{where}: the box {box.tolist()} is empty", "boxes are x1, y1, x2, y2 in pixels")
    keypoints = {
        str(name): tuple(_numbers(point, 3, where).tolist()) for name, point in (record.get("keypoints") or {}).items()
    }
    return Target(
        box_xyxy=box.astype(np.float32),
        keypoints=keypoints,
        evidence={str(part): float(share or 0) for part, share in (record.get("evidence") or {}).items()},
        occluders=tuple(
            np.asarray([_numbers(point, 2, where) for point in polygon]) for polygon in record.get("occluders") or ()
        ),
        confidence=_number(record.get("confidence")),
        amogusness=_number(record.get("amogusness")),
    )


def _numbers(values: Any, count: int, where: str) -> Any:
    try:
        table = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        table = np.zeros(0)
    if table.shape != (count,) or not np.isfinite(table).all():
        raise AmogusError(f"{where}: {values!r} is not {count} numbers", _FORM)
    return table


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _from_coco(record: Mapping[str, Any], path: Path) -> dict[bytes, tuple[Target, ...]]:
    names = {image.get("id"): path_from_text(str(image.get("file_name"))) for image in record.get("images", [])}
    points = {one.get("id"): tuple(one.get("keypoints") or ()) for one in record.get("categories", [])}
    found: dict[bytes, tuple[Target, ...]] = dict.fromkeys(names.values(), ())
    for annotation in record["annotations"]:
        name = names.get(annotation.get("image_id"))
        if name is None:
            raise AmogusError(f"{path}: annotation {annotation.get('id')} is of no image", "the COCO file is damaged")
        x, y, width, height = _numbers(annotation.get("bbox"), 4, f"{path}: {display_path(name)}")
        flat = annotation.get("keypoints") or []
        known = points.get(annotation.get("category_id"), ())
        keypoints = {
            point: [flat[3 * i], flat[3 * i + 1], flat[3 * i + 2] / 2]
            for i, point in enumerate(known)
            if len(flat) == 3 * len(known)
        }
        ours = {"box": [x, y, x + width, y + height], "keypoints": keypoints, "confidence": annotation.get("score")}
        found[name] += (_target(ours, f"{path}: {display_path(name)}"),)
    return found


def _located(name: bytes, boxes: Path) -> bytes:
    """A name as it is from here, else from beside the file of boxes."""
    beside = os.path.join(os.fsencode(boxes.resolve().parent), name)
    return os.path.abspath(name) if os.path.exists(name) or not os.path.exists(beside) else beside


def _matched(
    found: Sequence[Wanted], listed: Mapping[bytes, tuple[Target, ...]], boxes: Path
) -> list[tuple[Wanted, tuple[Target, ...]]]:
    """By the whole path, else by the path within the folder that was named."""
    whole = {os.path.realpath(_located(name, boxes)): targets for name, targets in listed.items()}
    pairs = [
        (wanted, whole.get(os.path.realpath(wanted.entry.path), listed.get(wanted.inside, ()))) for wanted in found
    ]
    if listed and not any(targets for _, targets in pairs) and any(listed.values()):
        raise AmogusError(
            f"none of the pictures that {boxes} speaks of is there",
            "its paths are looked for from here, from beside it, and in the folders named",
        )
    return pairs


def _inside(entry: FileEntry, base: bytes) -> bytes:
    # A file that was named goes by the name that was given, though it may be a link to another one.
    path = entry.path if os.path.isdir(entry.root) else entry.root
    return os.path.relpath(path, base)
