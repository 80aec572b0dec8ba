"""Converting from Python: `convert(photos, out)` does what `amogus convert photos --out out` does."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from amogus_search import registry
from amogus_search.converting.inputs import Wanted, from_paths
from amogus_search.converting.records import Outcome
from amogus_search.converting.run import convert_files
from amogus_search.converting.tools import Output, Tools
from amogus_search.core.conversion import Conversion
from amogus_search.core.thresholds import Threshold
from amogus_search.finder import DEFAULT, Finder
from amogus_search.pipeline.conversion_crops import Target
from amogus_search.ports import Converter
from amogus_search.settings import DEFAULT_PROFILE, PROFILES

AnyPath: TypeAlias = str | PathLike[str]


def convert(
    paths: AnyPath | Iterable[AnyPath],
    out: AnyPath,
    *,
    backend: str | Converter = "paint",
    options: Mapping[str, str] = MappingProxyType({}),
    conversion: Conversion = Conversion(),  # noqa: B008
    boxes: Sequence[Sequence[float]] | None = None,
    detector: str = registry.DEFAULT,
    threshold: Threshold = DEFAULT,
    **output: Any,
) -> Iterator[Outcome]:
    """What became of each picture, in sorted order; the work is done as the answers are taken.

    Args:
        paths: pictures and folders.
        out: the folder to write to; it mirrors the inputs.
        backend: a name as for `--backend`, or any `ports.Converter`.
        options: for the back end, as `--backend-option` gives them.
        conversion: mask, strength, prompt, seeds and all the rest.
        boxes: (x1, y1, x2, y2) in pixels of the upright picture, to be converted in every picture instead of what the
            detector finds.
        detector: that finds, and judges what was made.
        threshold: which findings count.
        **output: the other fields of `converting.tools.Output`: form, overwrite, page, dry_run.

    Raises:
        UsageError: there is no such back end, or OUT lies in a folder of photos.
        AmogusError: a path does not exist, or OUT cannot be written to.
        BackendGoneError: the back end cannot go on; the same call goes on from there.
    """
    listed = [paths] if isinstance(paths, (str, PathLike)) else list(paths)
    named = [Path(path) for path in listed]
    converter = registry.load_converter(backend, options) if isinstance(backend, str) else backend
    finder = Finder.load(detector)
    wanted = _with_boxes(from_paths(named), boxes)
    judge = None if conversion.accept is None else finder
    fit = registry.load_fitter(conversion.target)
    tools = Tools(converter, fit, finder if boxes is None else None, judge, threshold, PROFILES[DEFAULT_PROFILE])
    roots = [os.path.abspath(os.fsencode(path)) for path in named]
    yield from convert_files(wanted, tools, conversion, Output(Path(out), **output), roots=roots)


def _with_boxes(wanted: list[Wanted], boxes: Sequence[Sequence[float]] | None) -> list[Wanted]:
    if boxes is None:
        return wanted
    targets = tuple(Target(np.asarray(box, np.float32)) for box in boxes)
    return [Wanted(one.entry, one.inside, targets, one.sha256, one.stem) for one in wanted]
