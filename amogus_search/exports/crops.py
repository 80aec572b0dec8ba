"""Crops of the findings as JPEG files that sort by rank and can be traced back, with a `crops.csv` beside.

Names are `0001_0.97_garden-bin_5f2c…jpg`: rank, score, the photo's name made harmless, crop id. Columns of `crops.csv`:
rank, file, path, path_hex, sha256, x1, y1, x2, y2, by, score, confidence, amogusness, rarity, rarity_at_least,
crop_x1, crop_y1, crop_x2, crop_y2 (the window that the file shows, pixels of the upright photo), crop_id, then
`evidence_PART` for every part. A hit that is a whole image (a similarity query) is exported whole; an image without a
finding has nothing to show and is only counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from amogus_search.core.cropping import Window, cut
from amogus_search.core.types import Hit
from amogus_search.exports.folders import write_whole
from amogus_search.exports.pictures import Picture, Problem, ReadPixels, encoded
from amogus_search.exports.region_files import (
    COLUMNS,
    Region,
    claim_for_listing,
    listing_bytes,
    listing_row,
    planned,
    remove_older,
    with_pictures,
)
from amogus_search.settings import CropSettings

LISTING = "crops.csv"
QUALITY = 95


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
    listing = out / LISTING
    claim_for_listing(listing, COLUMNS, "an export of crops", overwrite=overwrite, source_folders=source_folders)
    given = sorted(hits, key=lambda hit: hit.rank)
    regions = planned(given, wholes=True)
    problems: list[Problem] = []
    windows = {
        region.stem: _write_crop(region, picture, out, pad_ratio)
        for region, picture in with_pictures(regions, read_pixels, problems)
    }
    done = [region for region in regions if region.stem in windows]
    write_whole(listing, listing_bytes([listing_row(r, _file(r), windows[r.stem]) for r in done]))
    remove_older(out, ".jpg", {_file(region) for region in done})
    return CropReport(out, listing, len(done), len(given) - len(regions), tuple(problems))


def _file(region: Region) -> str:
    return f"{region.stem}.jpg"


def _write_crop(region: Region, picture: Picture, out: Path, pad_ratio: float) -> Window:
    window = picture.whole if region.whole else picture.window(region.box, pad_ratio)
    write_whole(out / _file(region), encoded(cut(picture.pixels, window), "JPEG", QUALITY))
    return picture.in_full(window)
