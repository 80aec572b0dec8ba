"""Folders of taught motifs: `motif:NAME` or `motif:PATH` -> a verified model, its vocabulary and its calibration.

A folder holds `motif.toml`, which lists the other files with their sha256, and is written last: without it, the
motif is not taught yet. A file is hashed and used from the same buffer.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amogus_search.core.calibration import Calibration
from amogus_search.core.motif import Motif
from amogus_search.errors import UsageError, WeightsError
from amogus_search.whole_files import in_place_of

MANIFEST = "motif.toml"
MODEL, TENSORS, CALIBRATION = "detector.onnx", "detector.safetensors", "calibration.json"
PREFIX = "motif:"
FOLDER_VARIABLE = "AMOGUS_MOTIFS"
_FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RESERVED = frozenset({"amogus", "onnx", "ultralytics", "motif", "template"})


@dataclass(frozen=True, eq=False)
class TaughtMotif:
    """One motif folder, read and verified.

    model: bytes of the ONNX detector
    about: the whole manifest
    """

    folder: Path
    motif: Motif
    model: bytes
    calibration: Calibration
    about: Mapping[str, Any]


def checked_name(name: str) -> str:
    """The name itself, if a motif may be called so.

    Raises:
        UsageError: it may not.
    """
    if not _NAME.fullmatch(name) or name.lower() in _RESERVED:
        raise UsageError(
            f"a motif cannot be called {name!r}",
            "use letters, digits, - and _, and none of: " + ", ".join(sorted(_RESERVED)),
        )
    return name


def home() -> Path:
    """Where motifs lie that are named without a path: `$AMOGUS_MOTIFS`, else `./motifs`."""
    return Path(os.environ.get(FOLDER_VARIABLE) or "motifs")


def known() -> tuple[str, ...]:
    """Names of the finished motifs there, sorted."""
    place = home()
    if not place.is_dir():
        return ()
    return tuple(sorted(one.name for one in place.iterdir() if (one / MANIFEST).is_file()))


def find(argument: str) -> Path:
    """The folder that `motif:ARGUMENT` means: a name is looked up, a path is one.

    Raises:
        UsageError: nothing was named.
    """
    if not argument:
        raise UsageError("which motif?", f"say --detector {PREFIX}NAME, or {PREFIX}PATH; {_there_are()}")
    is_path = "/" in argument or os.sep in argument or argument in (".", "..")
    named = home() / argument
    if is_path or (not named.exists() and (Path(argument) / MANIFEST).is_file()):
        return Path(argument)
    return named


def read(folder: Path) -> TaughtMotif:
    """What is in a motif folder, every file proved to be the one in its manifest.

    Raises:
        WeightsError: there is no such folder, it is not finished, or a file is missing or another one.
    """
    about = _manifest(folder)
    try:
        names, listed = about["motif"], about["file"]
        motif = Motif(str(names["name"]))
        model = _verified(folder, MODEL, listed)
        curve = json.loads(_verified(folder, CALIBRATION, listed))
        return TaughtMotif(folder, motif, model, Calibration.from_dict(curve), about)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{folder / MANIFEST} is damaged: {error}", _teach_again(folder)) from error


def write(folder: Path, name: str, made: Mapping[str, Any], metrics: Mapping[str, Any]) -> Path:
    """Write the manifest of a folder whose other files are in place.

    Args:
        folder: holds the detector in both forms, and its calibration.
        name: of the motif.
        made: how it was made: plain values.
        metrics: how good it is: numbers; those that are None are left out.
    """
    lines = [f"format = {_FORMAT}", "", "[motif]", f"name = {json.dumps(name)}", "keypoints = []", "evidence = []"]
    for title, values in (("made", made), ("metrics", metrics)):
        lines += [
            "",
            f"[{title}]",
            *(f"{key} = {json.dumps(v, ensure_ascii=False)}" for key, v in values.items() if v is not None),
        ]
    for file in (MODEL, TENSORS, CALIBRATION):
        content = (folder / file).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        lines += ["", f'[file."{file}"]', f'sha256 = "{digest}"', f"bytes = {len(content)}"]
    with in_place_of(folder / MANIFEST) as part:
        # names of files need not be text; what cannot be written is not worth losing a motif for
        part.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")
    return folder / MANIFEST


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        about = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _absent(folder) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WeightsError(f"{path} cannot be read: {error}", _teach_again(folder)) from error
    if about.get("format") != _FORMAT:
        raise WeightsError(
            f"{path} has format {about.get('format')!r}, this version reads {_FORMAT}", _teach_again(folder)
        )
    return about


def _absent(folder: Path) -> WeightsError:
    if (folder / "run").is_dir():
        return WeightsError(
            f"the motif in {folder} is not taught yet", "run the same amogus train motif command again, it goes on"
        )
    return WeightsError(
        f"there is no motif in {folder}",
        f"{_there_are()}; teach one: amogus train motif NAME --drawings DIR, or set ${FOLDER_VARIABLE} to their folder",
    )


def _there_are() -> str:
    names = known()
    return f"in {home()} there are: {', '.join(names)}" if names else f"in {home()} there are none"


def _verified(folder: Path, name: str, listed: Mapping[str, Any]) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise WeightsError(f"{folder / name} cannot be read: {error.strerror}", _teach_again(folder)) from None
    digest, expected = hashlib.sha256(content).hexdigest(), str(listed[name]["sha256"])
    if digest != expected:
        raise WeightsError(
            f"{folder / name} has sha256 {digest[:12]}..., its manifest says {expected[:12]}...", _teach_again(folder)
        )
    return content


def _teach_again(folder: Path) -> str:
    return f"the folder is damaged: delete {folder / MANIFEST} and run its amogus train motif command again"
