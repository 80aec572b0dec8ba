"""The index folder: is it one, may we, and is it of the same models? Opening it for reading and for writing."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from amogus_search.core.motif import Motif
from amogus_search.errors import IdentityMismatchError, IndexStateError
from amogus_search.store import durable, log_mark, schema, seal, vectors
from amogus_search.store.catalog import CATALOG_NAME, Catalog
from amogus_search.store.lock import LOCK_NAME, WriterLock

Identity: TypeAlias = Mapping[str, object]
"""Plain JSON values: names and fingerprints of the models, preprocessing version, precision, profile."""
_LEFTOVERS = ("probe-*", "*.part")
"""What a killed writer may leave behind."""
_PRIVATE = 0o700


def default_index_dir(environment: Mapping[str, str]) -> Path:
    """``$AMOGUS_INDEX``, else ``./index/default``."""
    return Path(environment.get("AMOGUS_INDEX") or "index/default")


def open_to_read(folder: Path, identity: Identity | None = None) -> Catalog:
    """The catalogue of an index that exists and has this program's schema version; errors as for `Index.open`."""
    _require_index(folder)
    catalog = Catalog(folder / CATALOG_NAME, write=False)
    try:
        schema.require_readable(schema.read_version(catalog.connection), str(folder))
        _compare(catalog, folder, identity)
    except BaseException:
        catalog.close()
        raise
    return catalog


@dataclass
class Writer:
    """The writer role of an index, with its catalogue; made by `open_to_write`."""

    folder: Path
    lock: WriterLock
    catalog: Catalog
    seal: seal.Seal | None
    broken: bytes | None = None

    def begin(self) -> None:
        """Behind what says whose it is, nothing of a catalogue that was found damaged is believed till it is mended."""
        if self.broken is not None:
            self.catalog.distrust()

    def close(self) -> None:
        """Close the catalogue, seal it, and give up the role; may be called twice."""
        try:
            self.catalog.close()
        finally:
            _end(self.folder, self.lock, self.seal, broken=self.broken if self.catalog.is_damaged else None)


def open_to_write(folder: Path, *, create: bool, identity: Identity | None, motif: Motif) -> Writer:
    """The writer role and the catalogue, created or migrated as need be; errors as for `Index.open`."""
    if create:
        _make_folder(folder)
    else:
        _require_index(folder)
    lock = WriterLock(folder)
    try:
        _sweep(folder)
        _refuse_strangers(folder)
        broken = seal.text_of_broken(folder / CATALOG_NAME)
        before = _unsealed(folder)
    except BaseException:
        lock.release()
        raise
    try:
        catalog = Catalog(folder / CATALOG_NAME, write=True)
        try:
            catalog.mark_log()
            _bring_up(catalog, folder, identity, motif)
            _require_search(catalog)
        except BaseException:
            catalog.close()
            raise
    except BaseException:
        _end(folder, lock, before, broken=broken, is_new=False)  # whoever is refused leaves it sealed as it was
        raise
    return Writer(folder, lock, catalog, before, broken)


def _end(
    folder: Path, lock: WriterLock, before: seal.Seal | None, *, broken: bytes | None = None, is_new: bool = True
) -> None:
    """Seal the catalogue, which is closed, and give up the role, whatever happens meanwhile.

    Args:
        before: the seal that it had.
        broken: the seal that it had and did not fit any more, to be put back: damage is not sealed as whole.
        is_new: seal it also if it had none.
    """
    try:
        if lock.is_held:
            log_mark.at_the_end(folder / CATALOG_NAME)
            if broken is not None:
                seal.put_back(folder / CATALOG_NAME, broken)
            elif is_new or before is not None:
                seal.put_on(folder / CATALOG_NAME, before)
    finally:
        lock.release()


def _refuse_strangers(folder: Path) -> None:
    """Before anything is written, even SQLite's own settings: is this a catalogue of ours?"""
    path = folder / CATALOG_NAME
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        catalog = Catalog(path, write=False)
    except IndexStateError:
        return  # a reader may be refused what a writer is not; if it is not, it says so
    try:
        schema.require_writable(schema.read_version(catalog.connection), str(folder))
    finally:
        catalog.close()


def _unsealed(folder: Path) -> seal.Seal | None:
    try:
        log_mark.take_off(folder / CATALOG_NAME)
        return seal.break_open(folder / CATALOG_NAME)
    except OSError as error:
        raise IndexStateError(
            f"cannot write in the index {folder}: {error.strerror}{durable.room_left(folder)}",
            "check the folder's permissions and its disk",
        ) from error


def _bring_up(catalog: Catalog, folder: Path, identity: Identity | None, motif: Motif) -> None:
    """Make a new catalogue whole, or an older one new, in one transaction."""
    version = schema.read_version(catalog.connection)
    schema.require_writable(version, str(folder))
    if version == len(schema.MIGRATIONS):
        _compare(catalog, folder, identity)
        return
    if version == 0 and identity is None:
        raise IndexStateError(f"there is nothing in the index {folder} yet", "fill it with `amogus index PATH`")
    with catalog.transaction():
        schema.migrate(catalog.connection)
        if version == 0:
            catalog.set_meta("identity", dict(identity or {}))
            names = {"keypoint_names": motif.keypoint_names, "evidence_names": motif.evidence_names}
            catalog.set_meta("motif", {"name": motif.name, **names})
            catalog.set_meta("calibration_id", None)
        _compare(catalog, folder, identity)


def _require_search(catalog: Catalog) -> None:
    """Find out before the work, not after it, that FAISS is missing."""
    if catalog.read_identity().get("embedder"):
        vectors.require()


def _make_folder(folder: Path) -> None:
    try:
        durable.make_folder(folder)
        strangers = sorted(name for name in os.listdir(folder) if not _is_ours(name))
        if strangers and not (folder / CATALOG_NAME).exists():
            raise IndexStateError(
                f"{folder} is not an index, and not empty: it holds {strangers[0]!a}",
                "name a new folder for the index with --index DIR",
            )
        if stat.S_IMODE(folder.stat().st_mode) != _PRIVATE:
            folder.chmod(_PRIVATE)
    except OSError as error:
        raise IndexStateError(
            f"cannot make the index {folder}: {error.strerror}{durable.room_left(folder)}",
            "choose another place with --index DIR",
        ) from error


def _is_ours(name: str) -> bool:
    return name == LOCK_NAME or name.startswith(CATALOG_NAME) or any(Path(name).match(glob) for glob in _LEFTOVERS)


def _require_index(folder: Path) -> None:
    path = folder / CATALOG_NAME
    if not folder.exists():
        raise IndexStateError(
            f"there is no index at {folder}", "make one with `amogus index PATH`, or name another with --index DIR"
        )
    if not path.is_file():
        raise IndexStateError(
            f"{folder} is not an index: it holds no {CATALOG_NAME}",
            "make one with `amogus index PATH --index DIR`, or name another with --index DIR",
        )


def _sweep(folder: Path) -> None:
    for glob in _LEFTOVERS:
        for path in folder.glob(glob):
            durable.discard(path)


def _compare(catalog: Catalog, folder: Path, wanted: Identity | None) -> None:
    if wanted is None:
        return
    asked, stored = _plain(wanted), _plain(catalog.read_identity())
    if asked == stored:
        return
    differences = [name for name in sorted(asked.keys() | stored.keys()) if asked.get(name) != stored.get(name)]
    sides = "; ".join(
        f"{name}: the index has {_shown(stored.get(name))}, now {_shown(asked.get(name))}" for name in differences
    )
    ways = "use the same models and profile, or make another index with --index DIR"
    if all(name.startswith("embedder") for name in differences):
        ways = f"`amogus index PATH --embedder NAME` gives it the vectors of another embedder; or {ways}"
    raise IdentityMismatchError(f"the index {folder} was made by other models or settings ({sides})", ways)


def _plain(identity: Identity, prefix: str = "") -> dict[str, Any]:
    """Nested names joined by dots, values as JSON gives them back."""
    flat: dict[str, Any] = {}
    for name, value in json.loads(json.dumps(dict(identity))).items():
        if isinstance(value, dict):
            flat.update(_plain(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _shown(value: object) -> str:
    return "none" if value is None else str(value)
