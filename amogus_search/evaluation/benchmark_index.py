"""Indexing at full length: how fast on how many cores, whether it slows down, and whether its memory grows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import amogus_search
from amogus_search.errors import AmogusError
from amogus_search.plotting import Axes, Series, line_chart

Told = Callable[[str, int, int], object]

_A_FOLDER = 1000
_SIZES_WH = ((128, 64), (112, 56), (96, 48), (128, 72))
"""Small, and twice as wide as high: half of a square's cost to the detector, which is shown them enlarged."""
_SETTLED = 0.2
"""The share of a run in which memory is still being taken for the first time."""
_SAMPLES = 200
_START = "from amogus_search.evaluation.index_process import main; main()"


def generate(folder: Path, count: int, told: Told = lambda stage, done, total: None) -> list[Path]:
    """Small JPEG pictures, no two of them alike, in folders of a thousand; what is there is left as it is.

    Returns:
        The folders that hold them.
    """
    places = []
    for start in range(0, count, _A_FOLDER):
        place = folder / f"{start // _A_FOLDER:05}"
        place.mkdir(parents=True, exist_ok=True)
        places.append(place)
        for number in range(start, min(start + _A_FOLDER, count)):
            path = place / f"{number:07}.jpg"
            if not path.exists():
                path.write_bytes(_picture(number))
        told("drawing pictures", min(start + _A_FOLDER, count), count)
    return places


def _picture(number: int) -> bytes:
    rng = np.random.default_rng(number)
    width, height = _SIZES_WH[number % len(_SIZES_WH)]
    ground = rng.integers(0, 255, (4, 8, 3)).astype(np.uint8)
    pixels = cv2.resize(ground, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(3):
        centre = int(rng.integers(width)), int(rng.integers(height))
        axes = int(rng.integers(3, 14)), int(rng.integers(3, 20))
        cv2.ellipse(pixels, centre, axes, int(rng.integers(180)), 0, 360, rng.integers(0, 255, 3).tolist(), -1)
    noisy = np.clip(pixels + rng.normal(0, 5, pixels.shape), 0, 255).astype(np.uint8)
    return bytes(cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 88])[1])


@dataclass(frozen=True)
class Order:
    """One run.

    cores: so many of those this process may use; 0: all
    every: pictures from one look at the memory to the next
    """

    paths: list[str]
    index: str
    profile: str
    detector: str = "amogus"
    embedder: str = "amogus"
    cores: int = 0
    every: int = 1


@dataclass(frozen=True)
class Course:
    """What one run was like; samples are (pictures done, seconds since the first one, bytes resident).

    Memory is that of the process and its decoding processes together; what they share counts for each of them.
    """

    cores: int
    pictures: int
    seconds: float
    samples: list[tuple[int, float, int]]

    def row(self) -> dict[str, Any]:
        """Plain JSON values; the slope leaves out the first fifth of the pictures, while caches fill."""
        done, seconds, memory = (np.asarray(column, float) for column in zip(*self.samples, strict=True))
        # The last sample is taken behind the publishing, at the same number of pictures.
        settled = (done >= _SETTLED * done[-1]) & (np.arange(len(done)) < len(done) - 1)
        slope = np.polyfit(done[settled], memory[settled], 1)[0] if settled.sum() > 2 else np.nan
        return {
            "cores": self.cores,
            "pictures": self.pictures,
            "seconds": round(self.seconds, 2),
            "pictures_a_second": round(self.pictures / self.seconds, 2),
            "first_half_a_second": _speed(done, seconds, 0.0, 0.5),
            "second_half_a_second": _speed(done, seconds, 0.5, 1.0),
            "memory_mb_highest": round(float(memory.max()) / 1e6, 1),
            "memory_mb_per_10000": None if np.isnan(slope) else round(float(slope) * 10_000 / 1e6, 2),
        }


def run(order: Order, pictures: int) -> Course:
    """Index in a process of its own.

    Args:
        order: what and how.
        pictures: about how many there are, to space the looks at the memory.

    Raises:
        AmogusError: it ended with an error.
    """
    order = Order(**{**asdict(order), "every": max(1, pictures // _SAMPLES)})
    package = str(Path(amogus_search.__file__).parents[1])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-c", _START, json.dumps(asdict(order))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    if done.returncode:
        said = "; ".join(done.stderr.strip().splitlines()[-1:]) or "it said nothing"
        raise AmogusError(f"indexing ended with status {done.returncode}: {said}")
    said = json.loads(done.stdout.splitlines()[-1])
    return Course(order.cores, said["indexed"], said["seconds"], [tuple(sample) for sample in said["samples"]])


def speed_plot(courses: Sequence[Course]) -> str:
    """Pictures a second over pictures done, a line a run, as SVG text."""
    series = []
    for course in courses:
        done, seconds, _ = (np.asarray(column, float) for column in zip(*course.samples[:-1], strict=True))
        step = max(1, len(done) // 25)
        places = np.arange(step, len(done), step)
        speed = (done[places] - done[places - step]) / np.maximum(seconds[places] - seconds[places - step], 1e-9)
        series.append(Series(done[places], speed, _name(course)))
    return line_chart(series, Axes("Indexing", "pictures in the index", "pictures a second", x_log=True))


def memory_plot(courses: Sequence[Course]) -> str:
    """Resident memory over pictures done, a line a run, as SVG text."""
    series = [
        Series([sample[0] for sample in course.samples], [sample[2] / 1e6 for sample in course.samples], _name(course))
        for course in courses
    ]
    return line_chart(series, Axes("Memory, decoding processes included", "pictures in the index", "MB"))


def _name(course: Course) -> str:
    return {0: "all cores", 1: "1 core"}.get(course.cores, f"{course.cores} cores")


def _speed(done: Any, seconds: Any, start: float, end: float) -> float | None:
    inside = (done >= start * done[-1]) & (done <= end * done[-1]) & (np.arange(len(done)) < len(done) - 1)
    took = np.ptp(seconds[inside]) if inside.sum() > 1 else 0.0
    return round(float(np.ptp(done[inside]) / took), 2) if took > 0 else None
