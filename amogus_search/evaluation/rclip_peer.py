"""rclip, to compare with; only if it is installed, nothing else of this package needs it.

It takes its model from its data folder, and downloads it only where there is none: so a model of the same shape is put
there first, and the program runs as it is. It cannot be an extra of this package, since it asks for an older Pillow
than is safe; see `require_rclip` for what installs it all the same.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from amogus_search.core.types import Vectors
from amogus_search.errors import AmogusError, MissingExtraError

DATA_VARIABLE = "RCLIP_DATADIR"
ARCHITECTURE = "ViT-B-32-256"
"""What open_clip calls the model that rclip runs."""
_NEEDS = ("rclip", "onnxruntime", "ftfy", "regex", "tqdm", "pi_heif")
_QUERY = "a red car"


def require_rclip() -> None:
    """Nothing, if rclip can be used here.

    Raises:
        MissingExtraError: it is not installed, or something that it needs.
        AmogusError: it is one that runs another model.
    """
    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"rclip, which this compares with, cannot run: there is no {', '.join(missing)}",
            "pip install --no-deps rclip, and pip install onnxruntime ftfy regex tqdm pi_heif (it asks for an older "
            "Pillow, so a plain install would take this package's away)",
        )
    folder = str(importlib.import_module("rclip.model_download").MODEL_SUBDIR)
    if not folder.startswith(f"{ARCHITECTURE}-"):
        raise AmogusError(f"this rclip runs {folder}, and not {ARCHITECTURE}", "install rclip 3")


def lay_out(data: Path, images: Path, words: Path, merges: Path) -> None:
    """A new data folder in which rclip finds its model and need not download anything; the files are linked to."""
    names = importlib.import_module("rclip.model_download")
    places = {
        f"{names.MODEL_SUBDIR}/{names.VISUAL_ONNX}": images,
        f"{names.MODEL_SUBDIR}/{names.TEXTUAL_ONNX}": words,
        str(names.TOKENIZER_VOCAB): merges,
    }
    for place, file in places.items():
        (data / place).parent.mkdir(parents=True, exist_ok=True)
        (data / place).symlink_to(file.absolute())


def command(*, index: bool) -> list[str]:
    """Its words on the command line: bring the index of the current folder up to date, or leave it, and ask."""
    return [sys.executable, "-m", "rclip", _QUERY, "--top", "10", *([] if index else ["--no-indexing"])]


def fill(data: Path, folder: Path, chunks: Iterable[Vectors]) -> None:
    """Its database with made vectors, as it would be after indexing that many pictures in a folder."""
    database = importlib.import_module("rclip.db").DB(data / "db.sqlite3")
    try:
        rows = (row for chunk in chunks for row in chunk.astype(np.float32))
        for number, vector in enumerate(rows):
            database.upsert_image(
                {
                    "filepath": str(folder / name_of(number)),
                    "modified_at": 1.0,
                    "size": number + 1,
                    "vector": vector.tobytes(),
                    "hash": f"{number:064x}",
                },
                commit=False,
            )
        database.commit()
    finally:
        database.close()


def count(data: Path) -> int:
    """How many pictures its database has."""
    database = sqlite3.connect(f"file:{data / 'db.sqlite3'}?mode=ro", uri=True)
    try:
        return int(database.execute("SELECT count(*) FROM images WHERE deleted IS NULL").fetchone()[0])
    finally:
        database.close()


def name_of(number: int) -> str:
    """What the made picture of a number is called."""
    return f"{number:07d}.jpg"


class Asked:
    """rclip in this process, with its model loaded, as its own command line sets it up."""

    def __init__(self, data: Path, folder: Path) -> None:
        main = importlib.import_module("rclip.main")
        self._folder = str(folder)
        self._model: Any = importlib.import_module("rclip.model").Model()
        self._database: Any = importlib.import_module("rclip.db").DB(data / "db.sqlite3")
        self._program: Any = main.RClip(self._model, self._database, 8, None)

    def query(self, text: str, top: int) -> list[str]:
        """Names of the best pictures, best first."""
        return [Path(hit.filepath).name for hit in self._program.search(text, self._folder, top)]

    def texts(self, texts: Sequence[str]) -> Vectors:
        """(n, d) unit vectors of texts."""
        return np.asarray(self._model.compute_text_features(list(texts)), np.float32)

    def close(self) -> None:
        """Give back what it holds."""
        self._program.close()
        self._model.close()
        self._database.close()


@contextmanager
def asked(data: Path, folder: Path) -> Iterator[Asked]:
    """Rclip with that data folder, for as long as the block lasts."""
    before = os.environ.get(DATA_VARIABLE)
    os.environ[DATA_VARIABLE] = str(data)
    try:
        program = Asked(data, folder)
        try:
            yield program
        finally:
            program.close()
    finally:
        if before is None:
            del os.environ[DATA_VARIABLE]
        else:
            os.environ[DATA_VARIABLE] = before
