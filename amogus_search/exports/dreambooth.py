"""Pictures to teach a diffusion model what an amogus is: the form that the DreamBooth scripts of diffusers read.

    OUT/instance/images/   a square PNG a finding
    OUT/instance/metadata.jsonl   {"file_name": "images/…", "text": caption}: for loaders that read captions
    OUT/class/             squares of photos in which nothing was found, so that the model forgets nothing else
    OUT/dreambooth.csv     where each instance picture comes from, and its caption
    OUT/command.txt        the training command

Scripts without captions take `instance/images` as it is: nothing but pictures lies there, nor in `class`. Names have no
words in them: loaders take a `test` or `val` in a name for a split.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.cropping import Window, crop_window, cut, scale_boxes
from amogus_search.core.paths import path_from_text
from amogus_search.core.types import Hit, Pixels
from amogus_search.exports.captions import caption, torso_colour
from amogus_search.exports.dreambooth_command import Training, as_file, as_words
from amogus_search.exports.folders import check_outside, write_whole
from amogus_search.exports.pictures import Picture, Problem, ReadPixels, encoded, read_picture, shrunk
from amogus_search.exports.region_files import (
    COLUMNS,
    Region,
    claim_for_listing,
    listing_bytes,
    listing_row,
    planned,
    with_pictures,
)

LISTING, COMMAND, METADATA = "dreambooth.csv", "command.txt", "metadata.jsonl"
DREAMBOOTH_COLUMNS = (*COLUMNS, "text")
LEAST_PX = 48
"""Findings smaller than this, along the longer side, would teach their own blur."""
CLEAN_BELOW = 0.1
"""Amogusness that no finding of a class photo reaches."""
_PAD = 0.2
_TRIES = 12
_NAME = re.compile(r"\d{4,}_[0-9a-f]{16}\.png")


@dataclass(frozen=True)
class DreamboothReport:
    """What `export_dreambooth` did.

    out:             the folder
    written:         instance pictures
    class_images:    pictures of photos without a finding; without any, the command trains without prior preservation
    too_small:       findings left out for their size
    without_finding: hits that are whole images
    command:         the training command, ready for a shell
    problems:        hits whose photo vanished, changed or could not be read
    """

    out: Path
    written: int
    class_images: int
    too_small: int
    without_finding: int
    command: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class _Instance:
    region: Region
    window: Window
    text: str

    @property
    def file(self) -> str:
        return f"{self.region.hit.rank:04}_{self.region.crop_id}.png"


def export_dreambooth(
    hits: Iterable[Hit],
    read_pixels: ReadPixels,
    out: Path,
    *,
    class_hits: Iterable[Hit] = (),
    class_images: int = 200,
    training: Training | None = None,
    overwrite: bool = False,
    source_folders: Sequence[bytes] = (),
) -> DreamboothReport:
    """Writes the pictures, their captions and the command. An earlier export in the folder is replaced.

    Args:
        hits: findings, in any order; `rank` orders the files.
        read_pixels: see `exports.pictures`; called once a photo.
        out: a new or empty folder, or an earlier export of this kind.
        class_hits: photos to cut class pictures from; those with a finding of amogusness 0.1 or more are not used.
        class_images: at most so many of them.
        training: the words, sizes and names of the command.
        overwrite: write into another folder all the same.
        source_folders: the roots of the index, which are never written to.

    Raises:
        UsageError: `out` is in a photo folder, or has something else in it.
    """
    training = training or Training()
    listing, ours = out / LISTING, "an export for DreamBooth"
    for place in (out / "instance" / "images", out / "class"):
        check_outside(place, source_folders)
    claim_for_listing(listing, DREAMBOOTH_COLUMNS, ours, overwrite=overwrite, source_folders=source_folders)
    given = sorted(hits, key=lambda hit: hit.rank)
    findings = planned(given, wholes=False)
    regions = [region for region in findings if _longer_side(region.box) >= LEAST_PX]
    problems: list[Problem] = []
    instances = _write_instances(regions, read_pixels, out / "instance", training, problems)
    plain = _write_class(class_hits, read_pixels, out / "class", training.resolution, class_images)
    rows = [{**listing_row(i.region, f"instance/images/{i.file}", i.window), "text": i.text} for i in instances]
    write_whole(listing, listing_bytes(rows, DREAMBOOTH_COLUMNS))
    write_whole(out / COMMAND, path_from_text(as_file(training, out, plain)))  # folders' names need not be text
    small, wholes = len(findings) - len(regions), len(given) - len(findings)
    command = as_words(training, out, plain)
    return DreamboothReport(out, len(instances), plain, small, wholes, command, tuple(problems))


def _write_instances(
    regions: Sequence[Region], read_pixels: ReadPixels, folder: Path, training: Training, problems: list[Problem]
) -> list[_Instance]:
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    done: list[_Instance] = []
    for region, picture in with_pictures(regions, read_pixels, problems):
        window = picture.window(region.box, _PAD)
        one = _Instance(region, picture.in_full(window), _caption(region, picture, training))
        square = shrunk(_squared(cut(picture.pixels, window)), training.resolution)
        write_whole(images / one.file, encoded(square, "PNG", 0))
        done.append(one)
    done.sort(key=lambda one: one.region.hit.rank)
    lines = [json.dumps({"file_name": f"images/{one.file}", "text": one.text}) + "\n" for one in done]
    write_whole(folder / METADATA, "".join(lines).encode())
    _remove_older(images, {one.file for one in done})
    return done


def _caption(region: Region, picture: Picture, training: Training) -> str:
    """The colour that it has and the parts that were seen."""
    hit = region.hit
    assert hit.detection is not None
    found = hit.detections
    evidence = dict(zip(found.evidence_names, found.evidence[hit.detection].tolist(), strict=True))
    height, width = picture.pixels.shape[:2]
    box = scale_boxes(region.box, picture.full_wh, (width, height))
    return caption(torso_colour(picture.pixels, box), evidence, training.token)


def _squared(pixels: Pixels) -> Pixels:
    """With the border carried on where the photo ends; mirrored, it might show an amogus twice."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    above, before = (side - height) // 2, (side - width) // 2
    around = ((above, side - height - above), (before, side - width - before), (0, 0))
    return np.asarray(np.pad(pixels, around, mode="edge"), np.uint8)


def _write_class(hits: Iterable[Hit], read_pixels: ReadPixels, folder: Path, resolution: int, most: int) -> int:
    """One square of each photo, away from whatever was taken for a finding there; how many came to be."""
    folder.mkdir(parents=True, exist_ok=True)
    kept: set[str] = set()
    seen: set[str] = set()
    for hit in hits:
        if len(kept) >= most:
            break
        if hit.sha256 in seen or not _is_plain(hit):
            continue
        seen.add(hit.sha256)
        picture = read_picture(read_pixels, hit)
        window = None if isinstance(picture, Problem) else _free_window(picture, hit)
        if isinstance(picture, Problem) or window is None:
            continue
        name = f"{len(kept) + 1:04}_{hit.sha256[:16]}.png"
        write_whole(folder / name, encoded(shrunk(cut(picture.pixels, window), resolution), "PNG", 0))
        kept.add(name)
    _remove_older(folder, kept)
    return len(kept)


def _is_plain(hit: Hit) -> bool:
    """Whether nothing in the photo was found; without a calibration nothing at all may have been."""
    scores = hit.scores.amogusness
    return not len(scores) or bool((scores < CLEAN_BELOW).all())


def _free_window(picture: Picture, hit: Hit) -> Window | None:
    """A square without any doubtful finding in it: as large as fits, then smaller; None where there is none."""
    height, width = picture.pixels.shape[:2]
    boxes = scale_boxes(hit.detections.xyxy, picture.full_wh, (width, height)).reshape(-1, 4)
    rng = np.random.default_rng(int(hit.sha256[:8] or "0", 16))
    for attempt in range(_TRIES):
        side = min(width, height) * 0.85**attempt
        if side < LEAST_PX:
            return None
        x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
        window = crop_window([x, y, x + side, y + side], (width, height), 0)
        if not _touches(window, boxes):
            return window
    return None


def _touches(window: Window, boxes: NDArray[np.float32]) -> bool:
    left, top, right, bottom = window
    apart = (boxes[:, 2] <= left) | (boxes[:, 0] >= right) | (boxes[:, 3] <= top) | (boxes[:, 1] >= bottom)
    return bool((~apart).any())


def _longer_side(box_xyxy: NDArray[np.float32]) -> float:
    return float(max(box_xyxy[2] - box_xyxy[0], box_xyxy[3] - box_xyxy[1]))


def _remove_older(folder: Path, keep: set[str]) -> None:
    """Removes pictures of an earlier export: only names that are given here, so nothing of the user's."""
    for file in sorted(folder.iterdir()):
        if file.name not in keep and _NAME.fullmatch(file.name):
            file.unlink()
