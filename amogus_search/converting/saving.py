"""Results onto the disk: what is there already, what is written of a picture, and what its sidecar says."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amogus_search.converting.inputs import Wanted
from amogus_search.converting.records import Outcome, change_record, options_record
from amogus_search.converting.tools import Output, Tools, identity
from amogus_search.core.conversion import Conversion
from amogus_search.core.ids import fingerprint
from amogus_search.core.paths import path_fields
from amogus_search.core.types import ACCESS_REASONS, DecodedImage, SkippedImage
from amogus_search.errors import DecodeError
from amogus_search.exports.conversion_page import Card, ConversionPage, crop_uri
from amogus_search.exports.converted import (
    check_inside,
    encoded_picture,
    is_whole,
    read_sidecar,
    write_result,
    write_sidecar,
)
from amogus_search.exports.folders import write_whole
from amogus_search.exports.pictures import encoded
from amogus_search.pipeline.conversion_crops import Spot, Target
from amogus_search.pipeline.convert import Change, Converted, Failed
from amogus_search.settings import DECODE
from amogus_search.sources.decode import hash_file, read_file
from amogus_search.sources.extras import read_extras


@dataclass(frozen=True, eq=False)
class Work:
    """A picture on its way through the back end."""

    wanted: Wanted
    image: DecodedImage
    targets: tuple[Target, ...]


class Saver:
    """Writes what became of pictures into OUT, and knows what an earlier run wrote there.

    Args:
        tools, conversion, output: of the run.
    """

    def __init__(self, tools: Tools, conversion: Conversion, output: Output) -> None:
        self.tools, self.conversion, self.output = tools, conversion, output
        self.page = ConversionPage()

    def _place(self, one: Wanted, suffix: str) -> Path:
        return self.output.folder / (os.fsdecode(one.stem) + suffix)

    def standing(self, one: Wanted) -> Outcome | None:
        """What needs no work: finished before, or taken by something that must not be replaced."""
        sidecar = self._place(one, ".json")
        record = read_sidecar(sidecar)
        if record is not None:
            name = str(record.get("output", {}).get("name", ""))
            picture = sidecar.with_name(name) if name and os.path.basename(name) == name else None
            if picture is None or not os.path.lexists(picture):
                return None
            if record.get("run") == self._run_id(one) and self._is_same(one, record) and is_whole(picture, record):
                return Outcome(one.entry.path, "done", picture, record)
            if self.output.overwrite:
                return None
            detail = "made of other content or with other settings; --overwrite replaces it"
            return Outcome(one.entry.path, "kept", picture, record, detail)
        if self.output.overwrite or self.output.dry_run:
            return None
        for taken in (sidecar, self._place(one, ".png"), self._place(one, _own_suffix(one))):
            if os.path.lexists(taken):
                return Outcome(one.entry.path, "kept", taken, {}, "not ours; --overwrite replaces it")
        return None

    def _run_id(self, one: Wanted) -> str:
        """Changes with everything that decides what comes out, apart from the picture itself."""
        tools = self.tools
        looks = [None if finder is None else identity(finder) for finder in (tools.finder, tools.judge)]
        given = None if one.targets is None else [_plain_target(target) for target in one.targets]
        return fingerprint(
            {
                "conversion": options_record(self.conversion),
                "converter": None if tools.converter is None else tools.converter.fingerprint,
                "finders": looks,
                "threshold": dataclasses.asdict(tools.threshold),
                "profile": tools.profile.name,
                "form": self.output.form,
                "targets": given,
            }
        )

    def _is_same(self, one: Wanted, record: dict[str, Any]) -> bool:
        try:
            return bool(record.get("source", {}).get("sha256") == hash_file(one.entry.path)[0])
        except DecodeError:
            return False

    def _record(self, one: Wanted, image: DecodedImage, **more: Any) -> dict[str, Any]:
        tools = self.tools
        source = {**path_fields(one.entry.path), "sha256": image.sha256, "format": image.format}
        width, height = image.full_wh
        converter = tools.converter
        return {
            "run": self._run_id(one),
            "source": {**source, "width": width, "height": height},
            "options": {**options_record(self.conversion), "format": self.output.form, "profile": tools.profile.name},
            "backend": None if converter is None else {"name": converter.name, "fingerprint": converter.fingerprint},
            "detector": None if tools.finder is None else identity(tools.finder),
            "judge": None if tools.judge is None else identity(tools.judge),
            **more,
        }

    def saved(self, work: Work, answer: Converted | Failed | list[Spot]) -> Outcome:
        """Writes a picture and its sidecar; of one that failed, nothing, so that another run tries again."""
        path = work.wanted.entry.path
        if isinstance(answer, Failed):
            return Outcome(path, "failed", None, {}, str(answer.error))
        try:
            if isinstance(answer, list):
                return self._dry(work, answer)
            return self._changed(work, answer) if answer.changes else self._copied(work)
        except DecodeError as error:
            return Outcome(path, "skipped", None, {}, str(error), error.reason)

    def _changed(self, work: Work, answer: Converted) -> Outcome:
        one, image = work.wanted, work.image
        assert answer.mask is not None
        extras = read_extras(one.entry.path, image.sha256, DECODE)
        extension = os.fsdecode(os.path.splitext(one.inside)[1])
        saved = encoded_picture(answer.pixels, answer.mask, extras, self.output.form, extension)
        notes = [*extras.losses]
        changes = [change_record(change) for change in answer.changes]
        record = self._record(one, image, copied=False, changes=changes, notes=notes, output={"how": saved.how})
        picture = self._write(one, saved.suffix, saved.content, record)
        self._show(one, answer)
        return Outcome(one.entry.path, "converted", picture, record)

    def _copied(self, work: Work) -> Outcome:
        """A picture in which nothing was found: the very same file."""
        one = work.wanted
        content = read_file(one.entry.path, DECODE)
        if content.sha256 != work.image.sha256:
            raise DecodeError("changed_while_reading", "the file changed after it was decoded")
        record = self._record(one, work.image, copied=True, changes=[], notes=["nothing found: a copy"])
        picture = self._write(one, _own_suffix(one), content.data, record)
        return Outcome(one.entry.path, "copied", picture, record)

    def skipped(self, one: Wanted, image: SkippedImage) -> Outcome:
        """A file that is no picture for us: its bytes as they are, if they can be had, and why in the sidecar."""
        path = one.entry.path
        if self.output.dry_run or image.reason in ACCESS_REASONS or not image.sha256:
            return Outcome(path, "skipped", None, {}, f"{image.reason}: {image.detail}", image.reason)
        record = {"run": self._run_id(one), "source": {**path_fields(path), "sha256": image.sha256}, "copied": True}
        record |= {"skipped": image.reason, "detail": image.detail, "changes": []}
        try:
            picture = self._write(one, _own_suffix(one), read_file(path, DECODE).data, record)
        except DecodeError as error:
            return Outcome(path, "skipped", None, record, f"{image.reason}: {image.detail}", error.reason)
        return Outcome(path, "skipped", picture, record, f"{image.reason}: {image.detail}", image.reason)

    def _write(self, one: Wanted, suffix: str, content: bytes, record: dict[str, Any]) -> Path:
        picture, sidecar = self._place(one, suffix), self._place(one, ".json")
        picture.parent.mkdir(parents=True, exist_ok=True)
        check_inside(self.output.folder, picture)
        if self.output.overwrite:  # the link goes, what it leads to stays as it is
            for place in (picture, sidecar):
                if place.is_symlink():
                    place.unlink()
        before = read_sidecar(sidecar)
        old = sidecar.with_name(os.path.basename(str((before or {}).get("output", {}).get("name") or picture.name)))
        replaced = old != picture and before is not None and is_whole(old, before)
        write_result(picture, content, sidecar, record)
        if replaced:  # an earlier run of ours had saved it under another extension
            old.unlink(missing_ok=True)
        return picture

    def _dry(self, work: Work, spots: Sequence[Spot]) -> Outcome:
        one = work.wanted
        sidecar = self._place(one, ".json")
        sidecar.parent.mkdir(parents=True, exist_ok=True)
        check_inside(self.output.folder, sidecar)
        for number, spot in enumerate(spots, start=1):
            grey = np.asarray(np.rint(spot.mask * 255), np.uint8)
            write_whole(self._place(one, f".{number}.crop.png"), encoded(spot.crop, "PNG", 0))
            write_whole(self._place(one, f".{number}.mask.png"), encoded(np.dstack([grey] * 3), "PNG", 0))
        planned = [change_record(spot) for spot in spots]
        record = self._record(one, work.image, dry_run=True, changes=planned)
        if read_sidecar(sidecar) is None or "dry_run" in (read_sidecar(sidecar) or {}):
            write_sidecar(sidecar, record)
        return Outcome(one.entry.path, "planned", None, record)

    def finish(self, summary: str) -> None:
        """Writes the page of befores and afters."""
        if self.output.page and not self.output.dry_run:
            self.output.folder.mkdir(parents=True, exist_ok=True)
            self.page.write(self.output.folder, summary)

    def _show(self, one: Wanted, answer: Converted) -> None:
        """Its changes on the page."""
        if not self.output.page or self.page.is_full:
            return
        title = os.fsdecode(one.inside)
        for change in answer.changes:
            verdict = "unjudged" if change.before is None else "accepted" if change.accepted else "kept"
            self.page.add(Card(crop_uri(change.spot.crop), crop_uri(change.after), title, verdict, _lines(change)))


def _own_suffix(one: Wanted) -> str:
    """What makes the input's own name of the stem."""
    return os.fsdecode(one.inside[len(one.stem) :])


def _lines(change: Change) -> tuple[str, ...]:
    best = change.tries[change.best]
    width, height = change.spot.target.box_xyxy[2:] - change.spot.target.box_xyxy[:2]
    size = f"{width:.0f} x {height:.0f} px, seed {best.seed}, try {change.best + 1} of {len(change.tries)}"
    if change.before is None or best.score is None:
        return (size,)
    return f"amogusness {change.before:.2f} before, {best.score:.2f} after", size


def _plain_target(target: Target) -> dict[str, Any]:
    return {
        "box": [round(float(v), 2) for v in target.box_xyxy],
        "keypoints": {name: [round(float(v), 3) for v in point] for name, point in target.keypoints.items()},
        "occluders": [np.round(polygon, 2).tolist() for polygon in target.occluders],
    }
