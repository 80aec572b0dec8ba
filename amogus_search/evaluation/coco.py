"""Pictures whose truth stands in a COCO file: boxes, and keypoints where the category has them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amogus_search.core.labels import parse_coco
from amogus_search.core.types import Detections
from amogus_search.errors import AmogusError, UsageError
from amogus_search.evaluation.labelled import LabelledImage

Record = Mapping[str, Any]


@dataclass(frozen=True)
class CocoImage(LabelledImage):
    """One picture and its annotations.

    size_wh:        as the file states it; None where it does not
    annotations:    COCO records of this picture
    point_names:    keypoints of the category, in the order of the records
    """

    size_wh: tuple[int, int] | None = None
    annotations: tuple[Record, ...] = ()
    point_names: tuple[str, ...] = ()

    def labels(self, size_wh: tuple[int, int], keypoint_names: Sequence[str]) -> Detections:
        """As `LabelledImage.labels`; keypoints go by their names.

        Raises:
            AmogusError: the picture has another size than the file says, so the boxes would not fit.
        """
        if self.size_wh not in (None, size_wh):
            stated, real = (f"{w} x {h}" for w, h in (self.size_wh or size_wh, size_wh))
            raise AmogusError(
                f"{self.path} is {real} px upright, its COCO labels are for {stated} px",
                "label the upright pictures, or scale the boxes",
            )
        found = parse_coco(self.annotations, self.point_names).detections
        points = np.zeros((len(found), len(keypoint_names), 3), np.float32)
        for column, name in enumerate(keypoint_names):
            if name in self.point_names:
                points[:, column] = found.keypoints[:, self.point_names.index(name)]
        return Detections.make(found.xyxy, found.confidence, keypoints=points, keypoint_names=keypoint_names)


def read_coco(file: Path, pictures: Path | None = None, category: str = "amogus") -> list[LabelledImage]:
    """The pictures of a COCO label file in order of their names; crowd annotations are left out.

    Args:
        file: the .json file.
        pictures: what `file_name` is relative to; by default `images` beside the file, the file's own folder, or
            `images` beside that folder, whichever has the first picture.
        category: which one counts if the file has several; a file with one category needs no name.

    Raises:
        UsageError: it is no COCO file, has no such category, or its pictures are not found.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        chosen = _category(document["categories"], category, file)
        names = tuple(map(str, chosen.get("keypoints", ())))
        of_image: dict[Any, list[Record]] = {image["id"]: [] for image in document["images"]}
        for record in document["annotations"]:
            if record["category_id"] == chosen["id"] and not record.get("iscrowd"):
                of_image[record["image_id"]].append(record)
        images = [(str(image["file_name"]), image) for image in document["images"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{file} is no COCO label file: {type(error).__name__}: {error}",
            "it needs images, annotations and categories",
        ) from None
    if not images:
        raise UsageError(f"there are no pictures in {file}", "give a label file with images")
    root = _folder(file, pictures, images[0][0])
    return [
        CocoImage(root / name, None, _size(image), tuple(of_image[image["id"]]), names)
        for name, image in sorted(images, key=lambda pair: pair[0])
    ]


def _category(categories: Sequence[Record], wanted: str, file: Path) -> Record:
    if len(categories) == 1:
        return categories[0]
    for one in categories:
        if one["name"] == wanted:
            return one
    known = ", ".join(str(one["name"]) for one in categories) or "none"
    raise UsageError(f"{file} has no category called {wanted!r}", f"it has: {known}")


def _size(image: Record) -> tuple[int, int] | None:
    return (int(image["width"]), int(image["height"])) if "width" in image and "height" in image else None


def _folder(file: Path, given: Path | None, name: str) -> Path:
    places = [given] if given else [file.parent / "images", file.parent, file.parent.parent / "images"]
    for place in places:
        if (place / name).exists():
            return place
    raise UsageError(
        f"the picture {name} of {file} is not in {', '.join(map(str, places))}", "name its folder with --images"
    )
