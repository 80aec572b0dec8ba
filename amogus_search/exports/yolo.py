"""Findings as a YOLO data set that trainers read as it is.

OUT/data.yaml       classes, keypoints, where the images are
OUT/labels/NAME.txt one line a finding; empty for an image without findings
OUT/images/NAME.ext a symbolic link to the photo, or with `copy` a copy of it
OUT/images.csv      name, path, path_hex, sha256: which photo a name stands for

NAME is the image's number and its name made harmless, so that photos of the same name do not collide.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from amogus_search.core.labels import yolo_lines
from amogus_search.core.paths import path_fields
from amogus_search.core.types import Hit
from amogus_search.exports.annotations import EVERYTHING, AnnotatedImage, Selection, annotated_images, report
from amogus_search.exports.folders import check_outside, claim_folder, write_whole
from amogus_search.exports.pictures import CHANGED, Problem
from amogus_search.exports.wording import slug

_HEADER = "# YOLO data set of amogus_search findings"


@dataclass(frozen=True)
class YoloReport:
    """What was written: images with a label file, those without findings among them, findings, and photos left out."""

    out: Path
    images: int
    negatives: int
    findings: int
    problems: tuple[Problem, ...]


def write_yolo(
    hits: Iterable[Hit],
    out: Path,
    *,
    category: str = "amogus",
    flip_idx: Sequence[int] = (),
    copy: bool = False,
    overwrite: bool = False,
    selection: Selection = EVERYTHING,
    source_folders: Sequence[bytes] = (),
) -> YoloReport:
    """Writes the folder of the module's docstring; an earlier one is replaced.

    Args:
        hits: the images.
        out: a new or empty folder, or an earlier export of this kind.
        category: name of the one class.
        flip_idx: the motif's keypoint order in a mirrored picture.
        copy: copies the photos (checked against their content hash) instead of linking to them.
        overwrite: write into another folder all the same.
        selection: which findings.
        source_folders: the roots of the index, which are never written to.

    Raises:
        UsageError: `out` is in a photo folder, or has something else in it.
    """
    for place in (out, out / "images", out / "labels"):
        check_outside(place, source_folders)
    claim_folder(out, _is_yolo_export, "a YOLO export", overwrite=overwrite)
    images = annotated_images(hits, selection)
    names = next((i.hit.detections.keypoint_names for i in images if i.hit.detections.keypoint_names), ())
    write_whole(out / "data.yaml", _yaml(category, names, flip_idx).encode())
    for folder in ("images", "labels"):
        (out / folder).mkdir(exist_ok=True)
    digits = max(6, len(str(len(images))))
    stems = [f"{number:0{digits}}_{_stem(image.hit.path)}" for number, image in enumerate(images, start=1)]
    _remove_older(out)
    problems = [_write_image(image, out, stem, copy) for image, stem in zip(images, stems, strict=True)]
    written = [pair for pair, problem in zip(zip(images, stems, strict=True), problems, strict=True) if not problem]
    write_whole(out / "images.csv", _listing(written).encode())
    counts = report(out, [image for image, _ in written])
    bad = tuple(problem for problem in problems if problem)
    return YoloReport(out, counts.images, counts.negatives, counts.findings, bad)


def _is_yolo_export(folder: Path) -> bool:
    described = folder / "data.yaml"
    return described.is_file() and described.read_bytes().startswith(_HEADER.encode())


def _yaml(category: str, keypoint_names: Sequence[str], flip_idx: Sequence[int]) -> str:
    # JSON strings and lists are YAML too, so no name can break out of its place.
    lines = [_HEADER, "train: images", "val: images", f"names: {{0: {json.dumps(category)}}}"]
    if keypoint_names:
        lines += [f"kpt_shape: [{len(keypoint_names)}, 3]", f"kpt_names: {{0: {json.dumps(list(keypoint_names))}}}"]
    if keypoint_names and len(flip_idx) == len(keypoint_names):
        lines += [f"flip_idx: {json.dumps([int(place) for place in flip_idx])}"]
    return "\n".join(lines) + "\n"


def _stem(path: bytes) -> str:
    return slug(Path(path.decode("utf-8", "replace")).stem)


def _suffix(path: bytes) -> str:
    suffix = Path(path.decode("utf-8", "replace")).suffix.lower()
    return suffix if suffix[1:].isascii() and suffix[1:].isalnum() else ".jpg"


def _remove_older(out: Path) -> None:
    """Removes the images and labels that an earlier export listed, and nothing else."""
    listing = out / "images.csv"
    if not listing.is_file():
        return
    with open(listing, encoding="utf-8", newline="") as stream:
        names = [row.get("name") or "" for row in csv.DictReader(stream)]
    for name in names:
        # A name with a separator is none of ours: the listing may have been edited.
        if name and os.path.basename(name) == name:
            (out / "images" / name).unlink(missing_ok=True)
            (out / "labels" / f"{Path(name).stem}.txt").unlink(missing_ok=True)


def _write_image(image: AnnotatedImage, out: Path, stem: str, copy: bool) -> Problem | None:
    target = out / "images" / f"{stem}{_suffix(image.hit.path)}"
    try:
        problem = _copy(image.hit, target) if copy else _link(image.hit, target)
    except FileNotFoundError:
        return Problem(image.hit.rank, image.hit.path, "vanished", "the file is not there any more")
    except OSError as error:
        reason = "permission" if isinstance(error, PermissionError) else "io_error"
        return Problem(image.hit.rank, image.hit.path, reason, error.strerror or type(error).__name__)
    if problem is None:
        lines = yolo_lines(image.detections, image.hit.full_wh)
        write_whole(out / "labels" / f"{stem}.txt", "".join(f"{line}\n" for line in lines).encode())
    return problem


def _link(hit: Hit, target: Path) -> Problem | None:
    os.stat(hit.path)
    target.unlink(missing_ok=True)
    os.symlink(hit.path, os.fsencode(target))
    return None


def _copy(hit: Hit, target: Path) -> Problem | None:
    with open(hit.path, "rb") as stream:
        content = stream.read()
    if hashlib.sha256(content).hexdigest() != hit.sha256:
        return Problem(hit.rank, hit.path, CHANGED, "the file's content is not the one that was searched")
    if target.is_symlink():  # of an export that linked and was interrupted: its listing does not know it
        target.unlink()
    write_whole(target, content)
    return None


def _listing(written: Iterable[tuple[AnnotatedImage, str]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ("name", "path", "path_hex", "sha256"), restval="", lineterminator="\r\n")
    writer.writeheader()
    for image, stem in written:
        name = f"{stem}{_suffix(image.hit.path)}"
        writer.writerow({"name": name, **path_fields(image.hit.path), "sha256": image.hit.sha256})
    return text.getvalue()
