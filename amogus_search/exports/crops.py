"""Crops of the findings as JPEG files that sort by rank and can be traced back, with a `crops.csv` beside.

Names are `0001_0.97_garden-bin_5f2c…jpg`: rank, score, the photo's name made harmless, crop id. Columns of `crops.csv`:
rank, file, path, path_hex, sha256, x1, y1, x2, y2, by, score, confidence, amogusness, rarity, rarity_at_least,
crop_x1, crop_y1, crop_x2, crop_y2 (the window that the file shows, pixels of the upright photo), crop_id, then
`evidence_PART` for every part. A hit that is a whole image (a similarity query) is exported whole; an image without a
finding has nothing to show and is only counted.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.cropping import Window, cut
from amogus_search.core.ids import crop_id
from amogus_search.core.types import Hit
from amogus_search.exports.folders import check_outside, claim_folder, write_whole
from amogus_search.exports.json_form import hit_json
from amogus_search.exports.pictures import Picture, Problem, ReadPixels, encoded, read_picture
from amogus_search.exports.wording import score_words, slug
from amogus_search.settings import CropSettings

LISTING = "crops.csv"
QUALITY = 95
COLUMNS = (
    *("rank", "file", "path", "path_hex", "sha256", "x1", "y1", "x2", "y2", "by", "score", "confidence"),
    *("amogusness", "rarity", "rarity_at_least", "crop_x1", "crop_y1", "crop_x2", "crop_y2", "crop_id"),
)
_CROP_NAME = re.compile(r"\d{4,}_(-?\d\.\d\d|na)_[A-Za-z0-9_-]+_[0-9a-f]{16}\.jpg")


@dataclass(frozen=True)
class CropReport:
    """What `export_crops` did.

    out:             the folder
    listing:         the CSV in it
    written:         crops written
    without_finding: hits that are images without a finding
    problems:        hits whose photo vanished, changed or could not be read
    """

    out: Path
    listing: Path
    written: int
    without_finding: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class _Crop:
    file: str
    hit: Hit
    box: NDArray[np.float32]
    crop_id: str


def export_crops(
    hits: Iterable[Hit],
    read_pixels: ReadPixels,
    out: Path,
    *,
    pad_ratio: float = CropSettings.pad_ratio,
    overwrite: bool = False,
    source_folders: Sequence[bytes] = (),
) -> CropReport:
    """Writes one JPEG (quality 95, 4:4:4, not resized) a hit. An earlier export in the folder is replaced.

    Args:
        hits: in any order; `rank` orders the files.
        read_pixels: see `exports.pictures`; called once a photo, however many hits it has.
        out: a new or empty folder, or an earlier export of crops.
        pad_ratio: context on each side, as a share of the box's longer side.
        overwrite: write into another folder all the same.
        source_folders: the roots of the index, which are never written to.

    Raises:
        UsageError: `out` is in a photo folder, or has something else in it.
    """
    check_outside(out, source_folders)
    claim_folder(out, _is_crop_export, "an export of crops", overwrite=overwrite)
    given = sorted(hits, key=lambda hit: hit.rank)
    crops = list(_planned(given))
    listing = out / LISTING
    if not listing.exists():
        # From the start, so that an export that was interrupted is known as one and may be replaced.
        write_whole(listing, _csv([], ()).encode())
    windows, problems = _write_files(crops, read_pixels, out, pad_ratio)
    rows = [_row(crop, windows[crop.file]) for crop in crops if crop.file in windows]
    parts = list(dict.fromkeys(key for row in rows for key in row if key.startswith("evidence_")))
    write_whole(listing, _csv(rows, parts).encode())
    _remove_older(out, set(windows))
    return CropReport(out, listing, len(windows), len(given) - len(crops), tuple(problems))


def _is_crop_export(folder: Path) -> bool:
    listing = folder / LISTING
    return listing.is_file() and listing.read_bytes().startswith(",".join(COLUMNS).encode())


def _planned(hits: Sequence[Hit]) -> Iterator[_Crop]:
    digits = max([4, *(len(str(hit.rank)) for hit in hits)])
    for hit in hits:
        if hit.detection is None and hit.by != "similarity":
            continue
        whole = np.asarray([0, 0, *hit.full_wh], np.float32)
        box = whole if hit.detection is None else hit.detections.xyxy[hit.detection]
        identity = hit.crop_id or crop_id(hit.sha256, box)
        stem = slug(Path(hit.path.decode("utf-8", "replace")).stem)
        yield _Crop(f"{hit.rank:0{digits}}_{score_words(hit.score) or 'na'}_{stem}_{identity}.jpg", hit, box, identity)


def _write_files(
    crops: Sequence[_Crop], read_pixels: ReadPixels, out: Path, pad_ratio: float
) -> tuple[dict[str, Window], list[Problem]]:
    """Photo by photo, so that each is decoded once and only one is held; file name -> the window it shows."""
    windows: dict[str, Window] = {}
    problems: list[Problem] = []
    by_path: dict[bytes, list[_Crop]] = {}
    for crop in crops:
        by_path.setdefault(crop.hit.path, []).append(crop)
    for group in by_path.values():
        picture = read_picture(read_pixels, group[0].hit)
        for crop in group:
            if isinstance(picture, Problem):
                problems.append(Problem(crop.hit.rank, crop.hit.path, picture.reason, picture.detail))
            else:
                windows[crop.file] = _write_crop(crop, picture, out, pad_ratio)
    return windows, sorted(problems, key=lambda problem: problem.rank)


def _write_crop(crop: _Crop, picture: Picture, out: Path, pad_ratio: float) -> Window:
    whole = crop.hit.detection is None
    window = picture.whole if whole else picture.window(crop.box, pad_ratio)
    write_whole(out / crop.file, encoded(cut(picture.pixels, window), "JPEG", QUALITY))
    return picture.in_full(window)


def _row(crop: _Crop, window: Window) -> dict[str, Any]:
    record = hit_json(crop.hit)
    finding = record["detection"] or {}
    x1, y1, x2, y2 = finding.get("box", crop.box.tolist())
    return {
        **{name: record.get(name, "") for name in ("rank", "path", "path_hex", "by", "score")},
        **{
            "file": crop.file,
            "sha256": crop.hit.sha256,
            "crop_id": crop.crop_id,
            "x1": x1,
            "y1": y1,
            "x2": x2,
            "y2": y2,
        },
        **{name: finding.get(name, "") for name in ("confidence", "amogusness", "rarity", "rarity_at_least")},
        **dict(zip(("crop_x1", "crop_y1", "crop_x2", "crop_y2"), window, strict=True)),
        **{f"evidence_{name}": share for name, share in finding.get("evidence", {}).items()},
    }


def _csv(rows: Sequence[dict[str, Any]], parts: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [*COLUMNS, *parts], restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _remove_older(out: Path, keep: set[str]) -> None:
    """Removes crops of an earlier export: only names that this module gives, so nothing of the user's."""
    for file in sorted(out.iterdir()):
        if file.name not in keep and _CROP_NAME.fullmatch(file.name):
            file.unlink()
