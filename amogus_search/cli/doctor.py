"""`amogus doctor`: what is installed, what is missing, and what is in the way."""

from __future__ import annotations

import platform
import sys
from importlib.util import find_spec
from typing import Any

import typer

from amogus_search.cli.parameters import FormatOption

# Distribution -> what it is for, and the extra that brings it.
_PARTS = {
    "numpy": ("arrays", ""),
    "pandas": ("tables", ""),
    "pillow": ("decoding", ""),
    "opencv-python-headless": ("resizing, drawing", ""),
    "openvino": ("the embedded models", ""),
    "faiss-cpu": ("search", "cpu"),
    "faiss-gpu-cu12": ("search on a GPU", "gpu"),
    "pillow-heif": ("HEIC photos", "heic"),
    "pyarrow": ("Parquet", "parquet"),
    "scikit-image": ("the demo's photographs", "demo"),
    "matplotlib": ("plots", "eval"),
    "torch": ("training, other models", "train"),
    "ultralytics": (".pt detectors, training", "train"),
    "open_clip_torch": ("other embedders", "clip"),
    "diffusers": ("pipelines that convert", "diffusion"),
    "transformers": ("their texts", "diffusion"),
    "peft": ("LoRAs for them", "diffusion"),
    "accelerate": ("loading them, in parts", "diffusion"),
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(format: FormatOption = "table") -> None:  # noqa: A002
    """Check the installation; exit code 1 if something must be mended."""
    from amogus_search.cli.records import note, write_rows

    write_rows([_python(), *map(_part, _PARTS)], format)
    problems = list(_problems())
    for problem, hint in problems:
        note(f"problem: {problem}\nhint: {hint}")
    if problems:
        raise typer.Exit(1)
    note("no problems found")


def _python() -> dict[str, Any]:
    words = f"{platform.system()} {platform.machine()}"
    return {"part": "python", "version": platform.python_version(), "for": words, "extra": ""}


def _version(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _part(distribution: str) -> dict[str, Any]:
    purpose, extra = _PARTS[distribution]
    return {"part": distribution, "version": _version(distribution) or "-", "for": purpose, "extra": extra}


def _problems() -> list[tuple[str, str]]:
    checks = (_python_problem, _faiss_problem, _opencv_problem, _weights_problem, _model_problem)
    return [found for found in (check() for check in checks) if found is not None]


def _python_problem() -> tuple[str, str] | None:
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return None
    return f"Python {platform.python_version()} is not supported", "use Python 3.11, 3.12 or 3.13"


def _faiss_problem() -> tuple[str, str] | None:
    both = [name for name in ("faiss-cpu", "faiss-gpu-cu12") if _version(name)]
    if find_spec("faiss") is None:
        return "FAISS is not installed", 'pip install "amogus_search[cpu]" (or [gpu] for CUDA)'
    if len(both) == 2:
        return "faiss-cpu and faiss-gpu-cu12 overwrite each other", "pip uninstall both, then install one of them again"
    return None


def _opencv_problem() -> tuple[str, str] | None:
    headless, full = _version("opencv-python-headless"), _version("opencv-python")
    if headless is None or full is None or headless == full:
        return None
    return (
        f"opencv-python {full} and opencv-python-headless {headless} overwrite each other's files",
        f"pip install opencv-python=={headless} opencv-python-headless=={headless}",
    )


def _weights_problem() -> tuple[str, str] | None:
    from amogus_search import weights
    from amogus_search.errors import AmogusError

    try:
        for kind in weights.KINDS:
            for name in weights.names(kind):
                for file in weights.entry(kind, name).files.values():
                    weights.read(file)
    except AmogusError as error:
        return error.problem, error.hint
    return None


def _model_problem() -> tuple[str, str] | None:
    """Whether the embedded detector runs at all on this machine."""
    import numpy as np

    from amogus_search.errors import AmogusError
    from amogus_search.registry import load_detector

    try:
        detector = load_detector()
        detector.detect_tiles(np.zeros((1, detector.tile_px, detector.tile_px, 3), np.uint8))
    except AmogusError as error:
        return error.problem, error.hint
    except ImportError as error:
        return f"the embedded detector cannot be loaded: {error}", "pip install --force-reinstall openvino"
    return None
