"""Concepts: directions in an embedder's space with a name, `concept:NAME` -> a unit vector.

A concept is one JSON file, NAME.json, in `$AMOGUS_CONCEPTS`, else in `./concepts`. It holds the sha256 of all that it
says, and is there whole or not at all. `amogus` needs no file: every embedder has it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.errors import AmogusError, UsageError, WeightsError
from amogus_search.ports import Embedder
from amogus_search.whole_files import in_place_of

PREFIX = "concept:"
BUILT_IN = "amogus"
FOLDER_VARIABLE = "AMOGUS_CONCEPTS"
_SUFFIX = ".json"
_FORMAT = 1
_MAX_BYTES = 4 * 1024 * 1024
"""Far above any embedder's vector; what is larger is no concept, and is not read."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

AMOGUS_PROMPTS = (
    "an among us crewmate",
    "a red among us crewmate with a visor and two short legs",
    "a cartoon astronaut without arms, with a visor and a backpack",
    "a drawing of an amogus",
    "something that looks like an among us crewmate",
)
PHOTO_PROMPTS = (
    "a photo",
    "an ordinary photo of a thing",
    "a photo of people",
    "a photo of a landscape",
    "a photo of a room",
    "a texture",
    "a drawing of something else",
)
"""`concept:amogus` for an embedder that knows no better: the mean of the first minus the mean of these."""


@dataclass(frozen=True, eq=False)
class Concept:
    """One direction, and where it comes from.

    vector:      (d,) float32 of unit length: the more alike, the more of the concept
    embedder:    name of the embedder whose space it lies in; `fingerprint` says exactly which one
    made:        how it was made: method, counts, seed; plain values
    metrics:     how good it is on pictures it was not made of; plain values
    """

    name: str
    vector: NDArray[np.float32]
    embedder: str
    fingerprint: str
    made: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        length = float(np.linalg.norm(np.asarray(self.vector, np.float64))) if self.vector.ndim == 1 else 0.0
        if self.vector.dtype != np.float32 or not abs(length - 1) < 1e-3:
            raise ValueError(f"a concept is (d,) float32 of length 1, not {self.vector.dtype}{self.vector.shape}")


def home() -> Path:
    """Where concepts lie that are named without a path: `$AMOGUS_CONCEPTS`, else `./concepts`."""
    return Path(os.environ.get(FOLDER_VARIABLE) or "concepts")


def known() -> tuple[str, ...]:
    """Names of the concepts there, sorted; the built-in one is not among them."""
    place = home()
    if not place.is_dir():
        return ()
    return tuple(sorted(one.stem for one in place.glob(f"*{_SUFFIX}") if _NAME.fullmatch(one.stem) and one.is_file()))


def checked_name(name: str) -> str:
    """The name itself, if a concept may be called so.

    Raises:
        UsageError: it may not.
    """
    if not _NAME.fullmatch(name) or name.lower() == BUILT_IN:
        raise UsageError(
            f"a concept cannot be called {name!r}", f"use letters, digits, - and _; {BUILT_IN} is built in"
        )
    return name


def path_of(argument: str) -> Path:
    """The file that `concept:ARGUMENT` means: a name is looked up, a path is one.

    Raises:
        UsageError: it is neither.
    """
    if "/" in argument or os.sep in argument or argument.endswith(_SUFFIX):
        return Path(argument)
    return home() / f"{checked_name(argument)}{_SUFFIX}"


def load_concept(name: str, embedder: Embedder) -> NDArray[np.float32]:
    """(d,) float32 unit vector of a concept in the space of an embedder.

    Args:
        name: what stands after `concept:`: `amogus`, a name in `home()`, or the path of a concept's file.
        embedder: the one that the vectors to compare with come from.

    Raises:
        UsageError: there is no such concept, or it lies in another embedder's space.
        WeightsError: its file is damaged.
    """
    if name == BUILT_IN:
        return amogus_direction(embedder)
    concept = read(name)
    if concept.fingerprint != embedder.fingerprint or len(concept.vector) != embedder.dimension:
        raise UsageError(
            f"the concept {name!r} was made with the embedder {concept.embedder} ({concept.fingerprint}), and here "
            f"the embedder is {embedder.name} ({embedder.fingerprint})",
            f"make it again for this one, under another name: amogus concept make NAME --embedder {embedder.name}, "
            "with the same --positive and --negative",
        )
    return concept.vector


def amogus_direction(embedder: Embedder) -> NDArray[np.float32]:
    """(d,) float32: from ordinary pictures towards crewmates, in the space of any embedder; needs no file.

    The embedded one says it itself (`motif_direction`); of any other it is what its own texts say: the mean of
    `AMOGUS_PROMPTS` minus the mean of `PHOTO_PROMPTS`.

    Raises:
        AmogusError: the embedder makes no difference between the two.
    """
    own: Callable[[], NDArray[np.float32]] | None = getattr(embedder, "motif_direction", None)
    if own is not None:
        return own()
    towards, away = (
        np.asarray(embedder.embed_texts(prompts), np.float64).mean(axis=0)
        for prompts in (AMOGUS_PROMPTS, PHOTO_PROMPTS)
    )
    difference = towards - away
    length = float(np.linalg.norm(difference))
    if not length > 1e-6:
        raise AmogusError(
            f"the embedder {embedder.name} sees no difference between an amogus and a photo",
            "make a concept of pictures: amogus concept make NAME --positive DIR --negative DIR",
        )
    return np.asarray(difference / length, np.float32)


def read(argument: str) -> Concept:
    """The concept of that name or path, proved to be what was written.

    Raises:
        UsageError: there is none.
        WeightsError: its file is damaged, or of another version.
    """
    path = path_of(argument)
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise _absent(argument) from None
    except OSError as error:
        raise WeightsError(f"the concept {path} cannot be read: {error.strerror}", "check its permissions") from None
    try:
        return _from_json(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(
            f"the concept {path} is damaged: {error}", "make it again with its amogus concept make command"
        ) from error


def write(concept: Concept, *, replace: bool = False) -> Path:
    """Store a concept under its name in `home()`; the file is there whole or not at all.

    Args:
        concept: what to store.
        replace: take the place of one of the same name.

    Raises:
        UsageError: the name is no name, or is taken.
        AmogusError: the file cannot be written.
    """
    path = home() / f"{checked_name(concept.name)}{_SUFFIX}"
    refuse_taken(concept.name, replace=replace)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with in_place_of(path) as part, part.open("wb") as file:
            file.write(_to_json(concept))
            file.flush()
            os.fsync(file.fileno())
        _settle(path.parent)
    except OSError as error:
        raise AmogusError(
            f"the concept cannot be written to {path}: {error.strerror}", f"set ${FOLDER_VARIABLE} to another folder"
        ) from error
    return path


def refuse_taken(name: str, *, replace: bool = False) -> None:
    """Make sure, before any work is done, that a concept may be stored under that name.

    Raises:
        UsageError: there is one of that name, and it is not to be replaced.
    """
    path = path_of(checked_name(name))
    if path.exists() and not replace:
        raise UsageError(f"there is a concept {name!r} already: {path}", "say --replace, or choose another name")


def remove(name: str) -> Path:
    """Delete the file of a concept, damaged or not; returns where it was.

    Raises:
        UsageError: there is none of that name, or it is built in.
    """
    path = home() / f"{checked_name(name)}{_SUFFIX}"
    try:
        path.unlink()
    except FileNotFoundError:
        raise _absent(name) from None
    except OSError as error:
        raise AmogusError(f"the concept {path} cannot be removed: {error.strerror}") from error
    return path


def _settle(folder: Path) -> None:
    """Make a rename in the folder outlast a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _absent(argument: str) -> UsageError:
    names = known()
    near = get_close_matches(argument, (BUILT_IN, *names), n=1, cutoff=0.6)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return UsageError(
        f"there is no concept {argument!r}",
        f"{meant}there are: {', '.join((BUILT_IN, *names))} (in {home()}); make one: "
        "amogus concept make NAME --positive DIR --negative DIR",
    )


def _to_json(concept: Concept) -> bytes:
    record = {
        "format": _FORMAT,
        "name": concept.name,
        "embedder": concept.embedder,
        "embedder_fingerprint": concept.fingerprint,
        "made": dict(concept.made),
        "metrics": dict(concept.metrics),
        "vector": base64.b64encode(np.ascontiguousarray(concept.vector, "<f4").tobytes()).decode("ascii"),
    }
    return json.dumps({**record, "sha256": _digest(record)}, indent=1).encode("ascii") + b"\n"


def _from_json(content: bytes) -> Concept:
    if len(content) > _MAX_BYTES:
        raise ValueError(f"it has more than {_MAX_BYTES} bytes")
    record = json.loads(content)
    written = record.pop("sha256")
    if record["format"] != _FORMAT:
        raise ValueError(f"format {record['format']!r}, this version reads {_FORMAT}")
    if _digest(record) != written:
        raise ValueError("its content does not match its sha256")
    return Concept(
        name=str(record["name"]),
        vector=np.frombuffer(base64.b64decode(record["vector"], validate=True), "<f4").astype(np.float32),
        embedder=str(record["embedder"]),
        fingerprint=str(record["embedder_fingerprint"]),
        made=dict(record["made"]),
        metrics=dict(record["metrics"]),
    )


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()
