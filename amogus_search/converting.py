"""From names to an OUT folder full of amogi: decode, find, convert, judge, save, and go on where a kill stopped it."""

from __future__ import annotations

import dataclasses
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.conversion_inputs import Wanted, target_of
from amogus_search.conversion_records import Outcome, change_record, options_record
from amogus_search.core.boxes import iou
from amogus_search.core.conversion import Conversion, chosen
from amogus_search.core.figure import Fitter
from amogus_search.core.ids import fingerprint
from amogus_search.core.paths import path_fields
from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import ACCESS_REASONS, DecodedImage, FileEntry, Pixels, SkippedImage
from amogus_search.errors import DecodeError, UsageError
from amogus_search.exports.conversion_page import Card, ConversionPage, crop_uri
from amogus_search.exports.converted import (
    PictureFormat,
    check_inside,
    encoded_picture,
    is_whole,
    read_sidecar,
    saved_format,
    write_result,
    write_sidecar,
)
from amogus_search.exports.folders import check_outside, write_whole
from amogus_search.exports.pictures import encoded
from amogus_search.finder import DEFAULT, Finder, Found
from amogus_search.pipeline.conversion_crops import Spot, Target
from amogus_search.pipeline.convert import Converted, Failed, Judge, Request, convert_images, plan
from amogus_search.ports import Converter
from amogus_search.settings import DECODE, DEFAULT_PROFILE, PROFILES, Profile
from amogus_search.sources.decode import hash_file, read_file
from amogus_search.sources.extras import read_extras
from amogus_search.sources.workers import DecodePool

_SAME_PLACE = 0.2
"""IoU from which a finding in a new crop is the one that was asked for."""


@dataclass(frozen=True, eq=False)
class Tools:
    """Who does the work.

    converter: the back end; None for a dry run
    fit:       lays the figure into keypoints
    finder:    finds what is to be converted; None if every input comes with its targets
    judge:     looks at new crops; None: nobody does
    threshold: which findings count
    profile:   how closely pictures are looked at
    """

    converter: Converter | None
    fit: Fitter
    finder: Finder | None = None
    judge: Finder | None = None
    threshold: Threshold = DEFAULT
    profile: Profile = PROFILES[DEFAULT_PROFILE]


@dataclass(frozen=True)
class Output:
    """Where to, and in which form.

    folder:    mirrors the inputs
    form:      `png` (exact), or `same` as the original
    overwrite: replace what is there already
    page:      write the page of befores and afters
    dry_run:   write masks and crops, and convert nothing
    """

    folder: Path
    form: PictureFormat = "png"
    overwrite: bool = False
    page: bool = True
    dry_run: bool = False


def judge_of(finder: Finder, profile: Profile = PROFILES[DEFAULT_PROFILE]) -> Judge:
    """A judge: the best amogusness (or raw score, if there is no calibration) of what is found about the box."""

    def judge(crops: Sequence[Pixels], boxes: Sequence[NDArray[np.float32]]) -> list[float]:
        entry = FileEntry(b"crop", b"crop", None)
        images = [DecodedImage(entry, crop, (crop.shape[1], crop.shape[0]), "", "crop") for crop in crops]
        return [_best(found, box) for found, box in zip(finder.find(images, profile), boxes, strict=True)]

    return judge


def convert_files(
    wanted: Sequence[Wanted],
    tools: Tools,
    conversion: Conversion,
    output: Output,
    *,
    roots: Sequence[bytes] = (),
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """What became of each input, in the order given; files are whole before they are told of.

    Args:
        wanted: see `conversion_inputs`.
        tools: who does it.
        conversion: how.
        output: where to.
        roots: folders of the user's that OUT must not be in.
        stop: asked before every picture; what is under way is still finished.

    Raises:
        UsageError: OUT lies in a folder of photos, or holds one of the inputs.
        BackendGoneError: the back end cannot go on; run it again later, and it goes on from there.
        AmogusError: OUT cannot be written to.
    """
    _check(wanted, output.folder, roots)
    yield from _Run(tools, conversion, output, stop).all(wanted)


def _check(wanted: Sequence[Wanted], out: Path, roots: Sequence[bytes]) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, a folder is needed", "choose another --out")
    check_outside(out, [root for root in roots if os.path.isdir(root)])
    target = os.path.realpath(os.fsencode(out))
    for one in wanted:
        # A picture named by itself may lie beside OUT, never in it: it would be written over.
        if os.path.realpath(one.entry.path).startswith(target.rstrip(b"/") + b"/"):
            raise UsageError(
                f"{out} holds a picture that is to be converted", "photos are never written to: choose another --out"
            )


def _best(found: Found | SkippedImage, box: NDArray[np.float32]) -> float:
    if isinstance(found, SkippedImage) or not len(found.detections):
        return 0.0
    near = iou(found.detections.xyxy, box[None])[:, 0] >= _SAME_PLACE
    known = np.where(np.isnan(found.scores.amogusness), found.detections.confidence, found.scores.amogusness)
    return float(np.max(known[near], initial=0.0))


@dataclass(frozen=True, eq=False)
class _Work:
    """A picture on its way through the back end."""

    wanted: Wanted
    image: DecodedImage
    targets: tuple[Target, ...]


_Item: TypeAlias = _Work | tuple[Wanted, SkippedImage]


class _Run:
    def __init__(self, tools: Tools, conversion: Conversion, output: Output, stop: Callable[[], bool]) -> None:
        self.tools, self.conversion, self.output, self.stop = tools, conversion, output, stop
        self.page = ConversionPage()

    def all(self, wanted: Sequence[Wanted]) -> Iterator[Outcome]:
        known = {one.stem: outcome for one in wanted if (outcome := self._standing(one)) is not None}
        results = self._worked([one for one in wanted if one.stem not in known])
        counts: dict[str, int] = {}
        for one in wanted:
            outcome = known.get(one.stem) or next(results, None)
            if outcome is None:
                break
            counts[outcome.status] = counts.get(outcome.status, 0) + 1
            yield outcome
        if self.output.page and not self.output.dry_run and counts:
            self.output.folder.mkdir(parents=True, exist_ok=True)
            self.page.write(self.output.folder, ", ".join(f"{count} {status}" for status, count in counts.items()))

    def _place(self, one: Wanted, suffix: str) -> Path:
        return self.output.folder / (os.fsdecode(one.stem) + suffix)

    # --- what is there already

    def _standing(self, one: Wanted) -> Outcome | None:
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
        suffix = os.fsdecode(os.path.splitext(one.inside)[1])
        for taken in (sidecar, self._place(one, ".png"), self._place(one, suffix)):
            if os.path.lexists(taken):
                return Outcome(one.entry.path, "kept", taken, {}, "not ours; --overwrite replaces it")
        return None

    def _run_id(self, one: Wanted) -> str:
        """Changes with everything that decides what comes out, apart from the picture itself."""
        tools = self.tools
        looks = [None if finder is None else _identity(finder) for finder in (tools.finder, tools.judge)]
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

    # --- the work

    def _worked(self, wanted: Sequence[Wanted]) -> Iterator[Outcome]:
        """An outcome for each, in order."""
        order: deque[_Item] = deque()
        if not wanted:
            return
        with DecodePool() as pool:
            requests = self._requests(wanted, pool, order)
            answers = self._planned(requests) if self.output.dry_run else self._converted(requests)
            for answer in answers:
                yield from self._skips(order)
                work = order.popleft()
                assert isinstance(work, _Work)
                yield self._saved(work, answer)
            yield from self._skips(order)

    def _skips(self, order: deque[_Item]) -> Iterator[Outcome]:
        """Those that could not be decoded, up to the next picture."""
        while order and not isinstance(order[0], _Work):
            item = order.popleft()
            assert isinstance(item, tuple)
            yield self._skipped(*item)

    def _converted(self, requests: Iterator[Request]) -> Iterator[Converted | Failed]:
        converter, judge = self.tools.converter, self.tools.judge
        assert converter is not None
        looks = None if judge is None else judge_of(judge)
        return convert_images(requests, converter, self.tools.fit, self.conversion, judge=looks)

    def _planned(self, requests: Iterator[Request]) -> Iterator[list[Spot]]:
        return (plan(request, self.tools.fit, self.conversion) for request in requests)

    def _requests(self, wanted: Sequence[Wanted], pool: DecodePool, order: deque[_Item]) -> Iterator[Request]:
        """Pictures for the back end; `order` gets them, and those that cannot be decoded in between."""
        read: deque[tuple[Wanted, DecodedImage | SkippedImage]] = deque()

        def images() -> Iterator[DecodedImage | SkippedImage]:
            feeding: deque[Wanted] = deque()

            def entries() -> Iterator[FileEntry]:
                for one in wanted:
                    if self.stop():
                        return
                    feeding.append(one)
                    yield one.entry

            for image in pool.decode(entries()):
                one = feeding.popleft()
                image = _checked(one, image)
                read.append((one, image))
                yield image

        for found in self._found(images()):
            one, image = read.popleft()
            if isinstance(image, SkippedImage):
                order.append((one, image))
                continue
            targets = self._targets(one, image, found)
            order.append(_Work(one, image, targets))
            yield Request(image.pixels, image.sha256, targets)

    def _found(self, images: Iterator[DecodedImage | SkippedImage]) -> Iterator[Found | SkippedImage | None]:
        """What the detector says of each; None where nobody asks it."""
        if self.tools.finder is None:
            return (None for _ in images)
        return self.tools.finder.find(images, self.tools.profile)

    def _targets(self, one: Wanted, image: DecodedImage, found: Found | SkippedImage | None) -> tuple[Target, ...]:
        if isinstance(found, Found):
            kept = found.keep(self.tools.threshold)
            targets = [target_of(kept.detections, row, kept.scores) for row in range(len(kept.detections))]
        else:
            targets = [target for target in one.targets or () if _is_inside(target, image.full_wh)]
        boxes = np.array([target.box_xyxy for target in targets], np.float32).reshape(-1, 4)
        scores = np.array([_score(target) for target in targets], np.float64)
        return tuple(targets[row] for row in chosen(boxes, scores, image.full_wh, self.conversion.choice))

    # --- what is written

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
            "detector": None if tools.finder is None else _identity(tools.finder),
            "judge": None if tools.judge is None else _identity(tools.judge),
            **more,
        }

    def _saved(self, work: _Work, answer: Converted | Failed | list[Spot]) -> Outcome:
        path = work.wanted.entry.path
        if isinstance(answer, Failed):
            return Outcome(path, "failed", None, {}, str(answer.error))
        try:
            if isinstance(answer, list):
                return self._dry(work, answer)
            return self._changed(work, answer) if answer.changes else self._copied(work)
        except DecodeError as error:
            return Outcome(path, "skipped", None, {}, str(error), error.reason)

    def _changed(self, work: _Work, answer: Converted) -> Outcome:
        one, image = work.wanted, work.image
        assert answer.mask is not None
        extras = read_extras(one.entry.path, image.sha256, DECODE)
        suffix = os.fsdecode(os.path.splitext(one.inside)[1])
        saved = encoded_picture(answer.pixels, answer.mask, extras, self.output.form, suffix)
        notes = [*extras.losses]
        if extras.format not in ("JPEG", "MPO") or saved_format(extras.format, self.output.form) != "JPEG":
            notes += ["transparency was kept outside of what changed"] if extras.alpha is not None else []
        changes = [change_record(change) for change in answer.changes]
        record = self._record(one, image, copied=False, changes=changes, notes=notes, output={"how": saved.how})
        picture = self._write(one, saved.suffix, saved.content, record)
        self._show(one, answer)
        return Outcome(one.entry.path, "converted", picture, record)

    def _copied(self, work: _Work) -> Outcome:
        """A picture in which nothing was found: the very same file."""
        one = work.wanted
        content = read_file(one.entry.path, DECODE)
        if content.sha256 != work.image.sha256:
            raise DecodeError("changed_while_reading", "the file changed after it was decoded")
        record = self._record(one, work.image, copied=True, changes=[], notes=["nothing found: a copy"])
        suffix = os.fsdecode(os.path.splitext(one.inside)[1])
        if os.fsencode(suffix) and one.stem.endswith(os.fsencode(suffix)):
            suffix = ""
        picture = self._write(one, suffix, content.data, record)
        return Outcome(one.entry.path, "copied", picture, record)

    def _skipped(self, one: Wanted, image: SkippedImage) -> Outcome:
        """A file that is no picture for us: its bytes as they are, if they can be had, and why in the sidecar."""
        path = one.entry.path
        if self.output.dry_run or image.reason in ACCESS_REASONS or not image.sha256:
            return Outcome(path, "skipped", None, {}, f"{image.reason}: {image.detail}", image.reason)
        record = {"run": self._run_id(one), "source": {**path_fields(path), "sha256": image.sha256}, "copied": True}
        record |= {"skipped": image.reason, "detail": image.detail, "changes": []}
        suffix = os.fsdecode(os.path.splitext(one.inside)[1])
        suffix = "" if suffix and one.stem.endswith(os.fsencode(suffix)) else suffix
        try:
            picture = self._write(one, suffix, read_file(path, DECODE).data, record)
        except DecodeError as error:
            return Outcome(path, "skipped", None, record, f"{image.reason}: {image.detail}", error.reason)
        return Outcome(path, "skipped", picture, record, f"{image.reason}: {image.detail}", image.reason)

    def _write(self, one: Wanted, suffix: str, content: bytes, record: dict[str, Any]) -> Path:
        picture, sidecar = self._place(one, suffix), self._place(one, ".json")
        picture.parent.mkdir(parents=True, exist_ok=True)
        check_inside(self.output.folder, picture)
        before = read_sidecar(sidecar)
        old = sidecar.with_name(os.path.basename(str((before or {}).get("output", {}).get("name") or picture.name)))
        replaced = old != picture and before is not None and is_whole(old, before)
        write_result(picture, content, sidecar, record)
        if replaced:  # an earlier run of ours had saved it under another extension
            old.unlink(missing_ok=True)
        return picture

    def _dry(self, work: _Work, spots: Sequence[Spot]) -> Outcome:
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

    def _show(self, one: Wanted, answer: Converted) -> None:
        """Its changes on the page."""
        if not self.output.page or self.page.is_full:
            return
        title = os.fsdecode(one.inside)
        for change in answer.changes:
            verdict = "unjudged" if change.before is None else "accepted" if change.accepted else "kept"
            self.page.add(Card(crop_uri(change.spot.crop), crop_uri(change.after), title, verdict, _lines(change)))


def _lines(change: Any) -> tuple[str, ...]:
    best = change.tries[change.best]
    width, height = change.spot.target.box_xyxy[2:] - change.spot.target.box_xyxy[:2]
    size = f"{width:.0f} x {height:.0f} px, seed {best.seed}, try {change.best + 1} of {len(change.tries)}"
    if change.before is None or best.score is None:
        return (size,)
    return f"amogusness {change.before:.2f} before, {best.score:.2f} after", size


def _checked(one: Wanted, image: DecodedImage | SkippedImage) -> DecodedImage | SkippedImage:
    """The picture, unless its boxes are those of another content."""
    if isinstance(image, DecodedImage) and one.sha256 and image.sha256 != one.sha256:
        return SkippedImage(one.entry, "changed_while_reading", "not the content that was indexed", image.sha256)
    return image


def _is_inside(target: Target, size_wh: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = (float(value) for value in target.box_xyxy)
    return x1 < size_wh[0] and y1 < size_wh[1] and x2 > 0 and y2 > 0


def _score(target: Target) -> float:
    known = [value for value in (target.amogusness, target.confidence) if value is not None]
    return known[0] if known else 1.0


def _identity(finder: Finder) -> dict[str, Any]:
    return {
        "name": finder.detector.name,
        "fingerprint": finder.detector.fingerprint,
        "verifier": None if finder.verifier is None else finder.verifier.fingerprint,
        "calibration": finder.detector.calibration,
    }


def _plain_target(target: Target) -> dict[str, Any]:
    return {
        "box": [round(float(v), 2) for v in target.box_xyxy],
        "keypoints": {name: [round(float(v), 3) for v in point] for name, point in target.keypoints.items()},
        "occluders": [np.round(polygon, 2).tolist() for polygon in target.occluders],
    }
