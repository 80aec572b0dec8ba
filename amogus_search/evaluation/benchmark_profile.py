"""Where the time of indexing goes, and how near it comes to the models' own speed on the same tiles and crops."""

from __future__ import annotations

import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from amogus_search.evaluation.model_batches import ModelBatches
from amogus_search.evaluation.stage_times import StageTimes, Times
from amogus_search.finder import Finder
from amogus_search.indexing import identity_of
from amogus_search.pipeline.detect import decode_px
from amogus_search.pipeline.index import IndexReport, Models, index_images
from amogus_search.pipeline.index_ports import RootedSource
from amogus_search.ports import Embedder
from amogus_search.settings import PROFILES
from amogus_search.sources.workers import DecodePool
from amogus_search.store.index import Index

_ORDER = ("models", "detector", "ahead", "decoding", "writing")
_LOOKS = "amogus-detector"
_THREADS = {_LOOKS: "detector", "amogus-ahead": "ahead", "amogus-writer": "writing", "amogus-decode": "decoding"}
"""How the names of threads begin -> what is said of them; all others are the caller's, in which the models run."""
Told = Callable[[str, int, int], object]

_STAGES: Mapping[str, Sequence[str]] = {
    "scan": ("amogus_search.sources.folder:FolderSource.scan",),
    "comparing with the index": ("amogus_search.pipeline.index:compare",),
    "hashing": ("amogus_search.sources.workers:DecodePool.digest",),
    "waiting for a decoder": ("amogus_search.sources.workers:_next_result",),
    "reading and decoding": ("amogus_search.sources.process:DecodeProcess.ask",),
    "taking over pixels": ("amogus_search.sources.process:DecodeProcess.pixels",),
    "asking for known contents": ("amogus_search.pipeline.commits:InTurns.has_content",),
    "planning": ("amogus_search.pipeline.reading:prepare",),
    "cutting and resizing": ("amogus_search.pipeline.detect:View.cut",),
    "waiting for the models": ("amogus_search.pipeline.ahead:Ahead._put",),
    "waiting for pictures": ("amogus_search.pipeline.ahead:Ahead.__iter__",),
    "+network": ("amogus_search.runtime:CompiledModel.run",),
    "waiting for the detector": ("amogus_search.pipeline.windows:Windows._take",),
    "merge and evidence": ("amogus_search.pipeline.detect:merge",),
    "crops": ("amogus_search.pipeline.embed:crops_of",),
    "waiting for the disk": ("amogus_search.pipeline.commits:Writer.settle",),
    "SQL and commit": ("amogus_search.store.index:Index.write",),
    "publishing": ("amogus_search.store.index:Index.publish",),
}


@dataclass(frozen=True)
class Speed:
    """One round: the models by themselves, then everything, on the same tiles and crops.

    models, networks: seconds of the models as the pipeline asks them, and of these in the networks alone
    whole:            seconds of indexing, from the scan to the published index, with models that are loaded
    models_cpu, whole_cpu: processor time of the same, decoding processes included
    """

    models: float
    networks: float
    whole: float
    models_cpu: float
    whole_cpu: float


@dataclass(frozen=True)
class Profiled:
    """What was measured.

    stages: a row a stage of one more run, with clocks; `share` is of that run's seconds. Those of one thread add up to
        at most all of it; threads go on at once
    """

    pictures: int
    skipped: int
    tiles: int
    crops: int
    speeds: list[Speed]
    stages: list[dict[str, Any]] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Plain JSON values; the ratios are medians of those of the rounds."""
        whole, models = (median(getattr(one, name) for one in self.speeds) for name in ("whole", "models"))
        return {
            "pictures": self.pictures,
            "skipped": self.skipped,
            "tiles": self.tiles,
            "crops": self.crops,
            "pictures_a_second": round(self.pictures / whole, 2),
            "models_alone_a_second": round(self.pictures / models, 2),
            "of_the_models": self._ratio("models", "whole"),
            "of_the_networks": self._ratio("networks", "whole"),
            "of_the_models_in_processor_time": self._ratio("models_cpu", "whole_cpu"),
            "rounds": len(self.speeds),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        }

    def _ratio(self, part: str, all_of_it: str) -> float:
        ratios: list[float] = [getattr(one, part) / getattr(one, all_of_it) for one in self.speeds]
        return round(median(ratios), 3)


@dataclass(frozen=True, eq=False)
class Subject:
    """What is measured: pictures and whoever looks at them."""

    source: RootedSource
    finder: Finder
    embedder: Embedder | None
    profile: str

    @property
    def models(self) -> Models:
        """As indexing uses them."""
        return Models(self.finder.detector, self.embedder, PROFILES[self.profile], self.finder.verifier)

    def index(self, models: Models) -> IndexReport:
        """A new index of all pictures, in a folder that is removed again."""
        calibration = self.finder.calibration
        identity = identity_of(self.finder, self.embedder, self.profile) if self.embedder else {"profile": self.profile}
        with (
            tempfile.TemporaryDirectory(prefix="amogus-bench-") as place,
            Index.open(
                Path(place) / "index", "w", create=True, identity=identity, motif=self.finder.detector.motif
            ) as index,
            DecodePool(max_side=decode_px(models.detector, models.profile)) as pool,
        ):
            index.rescore(calibration.id if calibration else None, calibration.score if calibration else None)
            return index_images([self.source], pool, models, index)


def run(subject: Subject, rounds: int = 3, told: Told = lambda stage, done, total: None) -> Profiled:
    """Index the pictures in turns with the models alone on what they were shown, and once more with clocks."""
    with ModelBatches() as batches:
        told("recording", 0, rounds)
        report = subject.index(batches.recording(subject.models))
        speeds = []
        for number in range(rounds):
            told("measuring", number, rounds)
            speeds.append(_speed(subject, batches))
        told("with clocks", rounds, rounds)
        return Profiled(report.indexed, report.skipped, batches.tiles, batches.crops, speeds, _stages(subject))


def _speed(subject: Subject, batches: ModelBatches) -> Speed:
    networks = StageTimes()
    with networks.on({"network": _STAGES["+network"]}):
        models, models_cpu = _seconds(lambda: batches.show(subject.models))
    whole, whole_cpu = _seconds(lambda: subject.index(subject.models))
    return Speed(models, _network_seconds(networks, subject.models), whole, models_cpu, whole_cpu)


def _network_seconds(clocks: StageTimes, models: Models) -> float:
    """Of all networks; those that the detector asks at once count as often as cores look at them."""
    at_once = int(getattr(models.detector, "parallel", 1))
    return sum(
        times.wall / (at_once if thread.startswith(_LOOKS) else 1) for (thread, _), times in clocks.table.items()
    )


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall seconds and processor time, that of child processes that ended included."""
    began, times = time.perf_counter(), os.times()
    work()
    ended = os.times()
    return time.perf_counter() - began, sum(ended[:4]) - sum(times[:4])


def _stages(subject: Subject) -> list[dict[str, Any]]:
    clocks, models = StageTimes(), subject.models
    stages: dict[str, Sequence[Any]] = {
        **_STAGES,
        "detector": [
            (type(models.detector), name) for name in ("detect_tiles", "begin") if hasattr(models.detector, name)
        ],
        "embedder": ((type(models.embedder), "embed_images"),) if models.embedder else (),
        "second look": ((type(models.verifier), "margin_of_vectors"),) if models.verifier else (),
    }
    with clocks.on(stages), clocks.running("rest"):
        began = time.perf_counter()
        report = subject.index(models)
        whole = time.perf_counter() - began
    return _rows(clocks, whole, max(1, report.indexed))


def _rows(clocks: StageTimes, whole: float, pictures: int) -> list[dict[str, Any]]:
    """A row a stage, thread by thread, the longest first; several threads of one kind are added up."""
    together: dict[tuple[str, str], Times] = defaultdict(Times)
    for (thread, stage), times in clocks.table.items():
        role = next((role for name, role in _THREADS.items() if thread.startswith(name)), "models")
        together[role, stage].wall += times.wall
        together[role, stage].cpu += times.cpu
    return [
        {
            "thread": role,
            "stage": stage,
            "seconds": round(times.wall, 3),
            "share": round(times.wall / whole, 4),
            "cpu_seconds": round(times.cpu, 3),
            "ms_a_picture": round(1000 * times.wall / pictures, 3),
        }
        for (role, stage), times in sorted(together.items(), key=lambda one: (_ORDER.index(one[0][0]), -one[1].wall))
    ]
