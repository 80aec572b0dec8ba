"""What exports that write a picture a finding have in common: names, one decode a photo, and the columns of a listing.

Names are `0001_0.97_garden-bin_5f2c…`: rank, score, the photo's name made harmless, crop id.
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

from amogus_search.core.cropping import Window
from amogus_search.core.ids import crop_id
from amogus_search.core.types import Hit
from amogus_search.exports.folders import check_outside, claim_folder, write_whole
from amogus_search.exports.json_form import hit_json
from amogus_search.exports.pictures import Picture, Problem, ReadPixels, read_picture
from amogus_search.exports.wording import score_words, slug

COLUMNS = (
    *("rank", "file", "path", "path_hex", "sha256", "x1", "y1", "x2", "y2", "by", "score", "confidence"),
    *("amogusness", "rarity", "rarity_at_least", "crop_x1", "crop_y1", "crop_x2", "crop_y2", "crop_id"),
)
_STEM = r"\d{4,}_(-?\d\.\d\d|na)_[A-Za-z0-9_-]+_[0-9a-f]{16}"


@dataclass(frozen=True, eq=False)
class Region:
    """One picture to be written: `stem` is its name without extension, `box` is in pixels of the upright photo."""

    stem: str
    hit: Hit
    box: NDArray[np.float32]
    crop_id: str

    @property
    def whole(self) -> bool:
        """Whether the hit is a whole image."""
        return self.hit.detection is None


def planned(hits: Sequence[Hit], *, wholes: bool) -> list[Region]:
    """The regions in the order of the hits; whole images that were hit by similarity only where `wholes` says so."""
    digits = max([4, *(len(str(hit.rank)) for hit in hits)])
    return [_region(hit, digits) for hit in hits if hit.detection is not None or (wholes and hit.by == "similarity")]


def _region(hit: Hit, digits: int) -> Region:
    whole = np.asarray([0, 0, *hit.full_wh], np.float32)
    box = whole if hit.detection is None else hit.detections.xyxy[hit.detection]
    identity = hit.crop_id or crop_id(hit.sha256, box)
    name = slug(Path(hit.path.decode("utf-8", "replace")).stem)
    return Region(f"{hit.rank:0{digits}}_{score_words(hit.score) or 'na'}_{name}_{identity}", hit, box, identity)


def with_pictures(
    regions: Sequence[Region], read_pixels: ReadPixels, problems: list[Problem]
) -> Iterator[tuple[Region, Picture]]:
    """Photo by photo, so that each is decoded once and only one is held; what cannot be shown joins `problems`."""
    by_path: dict[bytes, list[Region]] = {}
    for region in regions:
        by_path.setdefault(region.hit.path, []).append(region)
    for group in by_path.values():
        picture = read_picture(read_pixels, group[0].hit)
        for region in group:
            if isinstance(picture, Problem):
                problems.append(Problem(region.hit.rank, region.hit.path, picture.reason, picture.detail))
            else:
                yield region, picture
    problems.sort(key=lambda problem: problem.rank)


def listing_row(region: Region, file: str, window: Window) -> dict[str, Any]:
    """A row under COLUMNS, and `evidence_PART` for every part.

    Args:
        region: what was written.
        file: its name.
        window: what the file shows, in pixels of the upright photo.
    """
    record = hit_json(region.hit)
    finding = record["detection"] or {}
    x1, y1, x2, y2 = finding.get("box", region.box.tolist())
    return {
        **{name: record.get(name, "") for name in ("rank", "path", "path_hex", "by", "score")},
        **{"file": file, "sha256": region.hit.sha256, "crop_id": region.crop_id},
        **{"x1": x1, "y1": y1, "x2": x2, "y2": y2},
        **{name: finding.get(name, "") for name in ("confidence", "amogusness", "rarity", "rarity_at_least")},
        **dict(zip(("crop_x1", "crop_y1", "crop_x2", "crop_y2"), window, strict=True)),
        **{f"evidence_{name}": share for name, share in finding.get("evidence", {}).items()},
    }


def listing_bytes(rows: Sequence[dict[str, Any]], columns: Sequence[str] = COLUMNS) -> bytes:
    """The listing: the columns, then those of the evidence."""
    parts = dict.fromkeys(key for row in rows for key in row if key.startswith("evidence_"))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*columns, *parts], restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def claim_for_listing(
    listing: Path,
    columns: Sequence[str],
    what: str,
    *,
    overwrite: bool,
    source_folders: Iterable[bytes],
) -> None:
    """Make the listing's folder ready to be written, with an empty listing if there is none yet.

    It is there from the start, so that an export that was interrupted is known as one and may be replaced.

    Args:
        listing: the CSV whose columns are the mark of this kind of export.
        columns: those that it begins with.
        what: this kind of export in words, for the message.
        overwrite: write into another folder all the same.
        source_folders: the roots of the index, which are never written to.

    Raises:
        UsageError: the folder is in a photo folder, or has something else in it.
    """
    check_outside(listing.parent, source_folders)
    claim_folder(listing.parent, lambda _: has_listing(listing, columns), what, overwrite=overwrite)
    if not listing.exists():
        write_whole(listing, listing_bytes([], columns))


def has_listing(listing: Path, columns: Sequence[str] = COLUMNS) -> bool:
    """Whether a listing with these columns is there: the mark of an export of ours."""
    return listing.is_file() and listing.read_bytes().startswith(",".join(columns).encode())


def remove_older(out: Path, suffix: str, keep: set[str]) -> None:
    """Removes files of an earlier export: only names that are given here, so nothing of the user's."""
    ours = re.compile(_STEM + re.escape(suffix))
    for file in sorted(out.iterdir()):
        if file.name not in keep and ours.fullmatch(file.name):
            file.unlink()
