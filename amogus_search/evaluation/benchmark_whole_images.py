"""Whole pictures searched by words, beside rclip: a model of the same shape and weights, the same pictures, one run.

Indexing is measured as people meet it, as whole commands; the same command again, with nothing to do, tells what of it
is starting up. Asking is measured on indexes of made vectors: as a whole command, and in a program that is running.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from amogus_search.core.types import Detections, FileEntry, FileStat, ImageFindings
from amogus_search.errors import AmogusError
from amogus_search.evaluation import rclip_peer
from amogus_search.evaluation.comparing import Clock, Tick, in_turns, speed_ratio
from amogus_search.evaluation.made_vectors import Cloud, MadeVectors
from amogus_search.library import Index
from amogus_search.ports import Embedder

TEXTS = (
    "a red car",
    "a dog on a beach",
    "two people at a table",
    "a bin with a lid",
    "snow on a roof",
    "a page of a book",
    "an empty street at night",
    "flowers in a vase",
)
_TOP = 10
_ROUNDS_OF_COMMANDS = 5


@dataclass(frozen=True)
class Models:
    """One model in both forms.

    embedder: what `--embedder` is given
    images, words, merges: the files that rclip reads
    """

    embedder: str
    images: Path
    words: Path
    merges: Path


@dataclass(frozen=True)
class Rows:
    """What both sides took in turns; a row of the result."""

    what: str
    pictures: int
    ours: Clock
    theirs: Clock
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "what": self.what,
            "pictures": self.pictures,
            "ms": self.ours.ms,
            "rclip_ms": self.theirs.ms,
            **speed_ratio(self.ours, self.theirs),
            "note": self.note,
        }


Run = Callable[[], object]


def indexing(folder: Path, work: Path, models: Models, rounds: int, tick: Tick) -> Iterator[Rows]:
    """Rows about bringing an index of a folder up to date, from nothing in every round: the command, and its work.

    Args:
        folder: pictures.
        work: an empty folder for the indexes.
        models: the same in two forms.
        rounds: how often.
        tick: told how far it is.

    Raises:
        AmogusError: one of the programs failed, or they do not have the same pictures.
    """
    first = {"ours": Clock(), "theirs": Clock()}
    again = {"ours": Clock(), "theirs": Clock()}
    pictures = 0
    for number in range(rounds):
        sides = _indexers(folder, work / str(number), models)
        for name in in_turns(list(sides), number):
            tick(f"indexing by {'rclip' if name == 'theirs' else 'amogus'}", number, rounds)
            first[name].time(sides[name])
            again[name].time(sides[name])
        pictures = _same_pictures(work / str(number))
    work_of = {name: clock.less(again[name]) for name, clock in first.items()}
    if min(*work_of["ours"].wall, *work_of["theirs"].wall) <= 0:
        raise AmogusError("indexing took no longer than finding that all is indexed", "take more pictures")
    rates = {name: pictures * clock.a_second for name, clock in work_of.items()}
    said = f"{rates['ours']:.1f} and {rates['theirs']:.1f} pictures a second"
    yield Rows("index, less the same command again", pictures, work_of["ours"], work_of["theirs"], said)
    yield Rows("index, whole command", pictures, first["ours"], first["theirs"])
    yield Rows("index again, nothing to do", pictures, again["ours"], again["theirs"], "rclip also answers a query")


def asking(count: int, work: Path, models: Models, embedder: Embedder, tick: Tick) -> Iterator[Rows]:
    """Rows about ten hits for a text among so many pictures: in a running program, and as a command.

    Args:
        count: made pictures, each a whole one without findings.
        work: an empty folder.
        models: the same in two forms.
        embedder: ours, loaded.
        tick: told how far it is.
    """
    folder, data, index = work / "pictures", work / "rclip", work / "index"
    folder.mkdir(parents=True)
    rclip_peer.lay_out(data, models.images, models.words, models.merges)
    made = MadeVectors(Cloud(embedder.dimension, clusters=max(10, count // 12)))
    tick(f"filling indexes of {count}", 0, 2)
    rclip_peer.fill(data, folder, made.chunks(count))
    tick(f"filling indexes of {count}", 1, 2)
    fill(index, folder, made, count, embedder)
    tick(f"asking among {count}", 0, 2)
    yield _running(count, folder, data, index)
    tick(f"asking among {count}", 1, 2)
    clocks = {"ours": Clock(), "theirs": Clock()}
    sides: dict[str, Run] = {
        "ours": lambda: _program(_ours("query", TEXTS[0], "-n", _TOP, "--index", index)),
        "theirs": lambda: _program(rclip_peer.command(index=False), cwd=folder, data=data),
    }
    for number in range(_ROUNDS_OF_COMMANDS):
        for name in in_turns(list(sides), number):
            clocks[name].time(sides[name])
    yield Rows("query, whole command", count, clocks["ours"], clocks["theirs"])


def fill(index: Path, folder: Path, made: MadeVectors, count: int, embedder: Embedder) -> None:
    """An index of made whole pictures, written by the door that indexing uses, with its search structure."""
    identity = {"detector": "none", "embedder": embedder.name, "embedder_fingerprint": embedder.fingerprint}
    with Index.open(index, "w", create=True, identity=identity) as opened:
        number = 0
        for chunk in made.chunks(count):
            opened.write(added=[_picture(folder, number + row, vector) for row, vector in enumerate(chunk)])
            number += len(chunk)
        opened.publish()


def _picture(folder: Path, number: int, vector: Any) -> ImageFindings:
    path = os.fsencode(folder / rclip_peer.name_of(number))
    entry = FileEntry(path=path, root=os.fsencode(folder), stat=FileStat(number + 1, 1, 1, 1, number + 1))
    digest = hashlib.sha256(b"made %d" % number).hexdigest()
    nothing = np.zeros((0, len(vector)), np.float32)
    return ImageFindings(entry, digest, "JPEG", (640, 480), Detections.none(), vector, nothing)


def _running(count: int, folder: Path, data: Path, index: Path) -> Rows:
    """Both programs loaded, every text asked in turns; what they answer is compared."""
    clocks = {"ours": Clock(), "theirs": Clock()}
    shared = 0
    with Index.open(index) as opened, rclip_peer.asked(data, folder) as other:
        cosine = _least_cosine(opened.embedder, other)

        def ask(text: str) -> list[str]:
            hits = opened.query(text, n=_TOP, literal=True).hits
            return [os.fsdecode(os.path.basename(hit.path)) for hit in hits]

        sides: dict[str, Callable[[str], list[str]]] = {"ours": ask, "theirs": partial(other.query, top=_TOP)}
        for side in sides.values():  # the first question opens what is opened when it is needed
            side("a question")
        for number, text in enumerate(TEXTS):
            answers: dict[str, list[str]] = {}
            for name in in_turns(list(sides), number):
                answers[name] = clocks[name].time(partial(sides[name], text))
            shared += len(set(answers["ours"]) & set(answers["theirs"]))
    share = shared / (_TOP * len(TEXTS))
    note = f"{share:.2f} of its ten best are among ours; vectors of texts are alike to {cosine:.4f}"
    return Rows("query, running program", count, clocks["ours"], clocks["theirs"], note)


def _least_cosine(embedder: Embedder, other: rclip_peer.Asked) -> float:
    return float((embedder.embed_texts(TEXTS) * other.texts(TEXTS)).sum(axis=1).min())


def _indexers(folder: Path, work: Path, models: Models) -> Mapping[str, Run]:
    data = work / "rclip"
    rclip_peer.lay_out(data, models.images, models.words, models.merges)
    words = ("index", folder, "--index", work / "index", "--detector", "none", "--embedder", models.embedder, "--quiet")
    return {
        "ours": lambda: _program(_ours(*words)),
        "theirs": lambda: _program(rclip_peer.command(index=True), cwd=folder, data=data),
    }


def _ours(*words: object) -> list[str]:
    return [sys.executable, "-m", "amogus_search", *(str(word) for word in words)]


def _program(words: Sequence[str], cwd: Path | None = None, data: Path | None = None) -> None:
    env = {**os.environ, "HF_HUB_OFFLINE": "1", **({rclip_peer.DATA_VARIABLE: str(data)} if data else {})}
    done = subprocess.run(words, capture_output=True, check=False, cwd=cwd, env=env)
    if done.returncode:
        raise AmogusError(f"{' '.join(words[2:])} failed: {done.stderr.decode(errors='replace')[-500:]}")


def _same_pictures(work: Path) -> int:
    """How many pictures both have indexed.

    Raises:
        AmogusError: not the same number.
    """
    with Index.open(work / "index") as index:
        ours = len(index.known_files())
    theirs = rclip_peer.count(work / "rclip")
    if ours != theirs or not ours:
        raise AmogusError(
            f"of this folder amogus indexed {ours} pictures and rclip {theirs}",
            "take a folder of ordinary JPEG and PNG photos",
        )
    return ours
