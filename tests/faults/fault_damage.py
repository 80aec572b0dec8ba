"""F11 and F12: files of an index that are not what they were, or not of this index."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import fault_work as work
from fault_checks import Bench, Outcome, in_child
from fault_disk import Fault

from amogus_search.store.index import Index
from amogus_search.store.schema import MIGRATIONS

KINDS = ("flip", "truncate", "swap", "delete", "append")
MEANINGLESS = ("lock",)


def damage(base: Path, size: int, seed: int) -> Outcome:
    """F11: every file of an index at rest, damaged `size` times in every way.

    No answer may be wrong, `verify` must find it, and `repair` with the next run must lead to what it was.
    """
    bench, outcome, dice = Bench(base), Outcome(), random.Random(seed)
    whole = base / "whole"
    shutil.copytree(bench.index, whole, ignore=shutil.ignore_patterns("*-shm", "*-wal"))
    files = sorted(path.name for path in whole.iterdir() if path.name not in MEANINGLESS)
    repaired = 0
    for name in files:
        for kind in KINDS:
            for turn in range(1 if kind == "delete" else size):
                index = bench.new_index()
                shutil.copytree(whole, index)
                what = _damaged(index / name, kind, dice, whole)
                if what is None:
                    continue
                problems = _wrong_after_damage(bench, index, what == "delete" and name.endswith(".seal"))
                if turn < max(1, size // 8):
                    problems += _wrong_after_repair(bench, index)
                    repaired += 1
                outcome.add((name, what), problems)
    outcome.notes = {"files": files, "repaired": repaired}
    return outcome


def flips(base: Path, size: int, seed: int) -> Outcome:
    """F11 again: single bits of the catalogue."""
    bench, outcome, dice = Bench(base), Outcome(), random.Random(seed)
    whole = base / "whole"
    shutil.copytree(bench.index, whole, ignore=shutil.ignore_patterns("*-shm", "*-wal"))
    for _ in range(size):
        index = bench.new_index()
        shutil.copytree(whole, index)
        what = _damaged(index / "catalog.sqlite", "flip", dice, whole)
        outcome.add(what, _wrong_after_damage(bench, index))
    return outcome


def log_flips(base: Path, size: int, seed: int) -> Outcome:
    """F11 for what a killed writer leaves: single bits of SQLite's log and of the note that says how far it goes."""
    bench, outcome, dice = Bench(base), Outcome(), random.Random(seed)
    whole, left = base / "whole", ("catalog.sqlite-wal", "catalog.sqlite.log-mark")
    for before_the_end in range(12, bench.operations):
        bench.run(bench.new_index(), Fault(bench.operations - before_the_end, "kill"))
        if all((bench.index / name).exists() for name in left):
            break
    shutil.copytree(bench.index, whole, ignore=shutil.ignore_patterns("*-shm"))
    right = bench.look(bench.index)
    assert right["state"], right
    assert not right["state"]["problems"], right
    for turn in range(size):
        index = bench.new_index()
        shutil.copytree(whole, index)
        what = _damaged(index / left[turn % 4 == 0], "flip", dice, whole)
        found = bench.look(index)
        is_found = found["ours"] or (found["state"] and found["state"]["problems"])
        problems = [] if is_found or found == right else [f"verify finds nothing: {found}"]
        outcome.add(what, problems + (bench.wrong_in_the_end(index, 1) if turn % 8 == 0 else []))
    return outcome


def _damaged(path: Path, kind: str, dice: random.Random, whole: Path) -> str | None:
    """Do it; what was done, None if the file is as before."""
    before = path.read_bytes()
    content = bytearray(before)
    if kind == "flip" and content:
        place = dice.randrange(len(content))
        content[place] ^= 1 << dice.randrange(8)
        kind = f"flip at {place}"
    elif kind == "truncate" and content:
        del content[dice.randrange(len(content)) :]
    elif kind == "append":
        content += dice.randbytes(dice.randint(1, 5000))
    elif kind == "swap":
        other = dice.choice(sorted(file for file in whole.iterdir() if file.name != path.name))
        content = bytearray(other.read_bytes())
        kind = f"swap with {other.name}"
    if kind == "delete":
        path.unlink()
        return kind
    if bytes(content) == before:
        return None
    path.write_bytes(content)
    return kind


def _wrong_after_damage(bench: Bench, index: Path, may_be_silent: bool = False) -> list[str]:
    """What a reader must not find; `may_be_silent`: what is left is whole, as it is without a seal."""
    found = bench.look(index)
    if found["foreign"] or found["hung"]:
        return [f"a reader fails: {found['foreign'] or 'it hangs'}"]
    if found["ours"]:  # refused: by whatever was asked; the answers alone may still come, and then be right
        answers = in_child(lambda tell: tell(answers=[(path.hex(), score) for path, score in work.answers(index)]))
        given = answers.last("answers")
        wrong = given is not None and given != bench.expected["answers"]
        return ["a wrong answer"] if wrong or answers.last("foreign") else []
    problems = [] if found["answers"] == bench.expected["answers"] else ["a wrong answer"]
    return problems + ([] if found["state"]["problems"] or may_be_silent else ["verify finds nothing"])


def _wrong_after_repair(bench: Bench, index: Path) -> list[str]:
    """`repair` mends it, and the next run completes it; or it says that the folder must be made anew."""

    def job(tell: Callable) -> None:
        with Index.open(index, "w") as opened:
            tell(done=opened.repair())

    ended = in_child(job)
    if ended.last("ours"):
        hint = f"{ended.last('hint')} {ended.last('problem')}"
        says = any(word in hint for word in ("delete", "amogus index", "name an index", "upgrade"))
        return [] if says else [f"repair does not say how to go on: {hint}"]
    if not ended.last("finished"):
        return [f"repair fails: {ended.told[-1:]}"]
    return bench.wrong_in_the_end(index, 2)


def foreign(base: Path, size: int, seed: int) -> Outcome:
    """F12: an older and a newer schema, other models' fingerprints, somebody else's database or search file."""
    bench, outcome = Bench(base), Outcome()
    whole = base / "whole"
    shutil.copytree(bench.index, whole, ignore=shutil.ignore_patterns("*-shm", "*-wal"))
    for name, change in FOREIGN.items():
        index = bench.new_index()
        shutil.copytree(whole, index)
        change(index)
        before = _contents(index)
        problems = _wrong_with_foreign(bench, index, name)
        if "refused" in name and _contents(index) != before:
            problems.append("it was changed although it was refused")
        outcome.add(name, problems)
    for name, identity in IDENTITIES.items():
        index = bench.new_index()
        shutil.copytree(whole, index)
        outcome.add(name, _wrong_with_identity(index, identity))
    return outcome


def _contents(index: Path) -> dict[str, bytes]:
    kept = (path for path in sorted(index.iterdir()) if path.suffix == ".faiss" or path.name == "catalog.sqlite")
    return {path.name: path.read_bytes() for path in kept}


def _sql(*statements: str) -> Callable[[Path], None]:
    def change(index: Path) -> None:
        connection = sqlite3.connect(index / "catalog.sqlite", isolation_level=None)
        for statement in statements:
            connection.execute(statement)
        connection.close()

    return change


def _older(index: Path) -> None:
    """As an earlier version left it, which sealed nothing."""
    _sql("DROP TABLE orphans", "DROP TABLE revived", "PRAGMA user_version = 1")(index)
    (index / "catalog.sqlite.seal").unlink(missing_ok=True)


def _other_database(index: Path) -> None:
    (index / "catalog.sqlite").unlink()
    _sql("CREATE TABLE theirs (value)")(index)


def _other_search_file(make: Callable) -> Callable[[Path], None]:
    """A good FAISS file that somebody else wrote: `make(dimension, count)`, given so many other vectors."""

    def change(index: Path) -> None:
        import faiss
        import numpy as np

        newest = sorted(index.glob("*.faiss"))[-1]
        mine = faiss.read_index(str(newest))
        theirs, count = make(mine.d, mine.ntotal)
        vectors = np.random.default_rng(0).normal(size=(count, theirs.d)).astype(np.float32)
        theirs.train(vectors)
        theirs.add(vectors)
        faiss.write_index(theirs, str(newest))

    return change


def _flat(dimension: int, count: int) -> tuple:
    import faiss

    return faiss.IndexFlatIP(dimension), count


def _lists(dimension: int, count: int) -> tuple:
    import faiss

    return faiss.index_factory(dimension, "IVF2,Flat"), max(count, 80)


def _search_file_as_catalogue(index: Path) -> None:
    (index / "catalog.sqlite").write_bytes(sorted(index.glob("*.faiss"))[-1].read_bytes())


FOREIGN: dict[str, Callable[[Path], None]] = {
    "the next schema: refused": _sql(f"PRAGMA user_version = {len(MIGRATIONS) + 1}"),
    "a much newer schema: refused": _sql("PRAGMA user_version = 99"),
    "somebody else's application id: refused": _sql("PRAGMA application_id = 5"),
    "somebody else's database: refused": _other_database,
    "no database: refused": lambda index: (index / "catalog.sqlite").write_bytes(b"theirs " * 999),
    "a search file instead of a database: refused": _search_file_as_catalogue,
    "somebody else's search file": _other_search_file(_flat),
    "one of more vectors": _other_search_file(lambda dimension, count: _flat(dimension, 2 * count)),
    "one of other vectors' length": _other_search_file(lambda dimension, count: _flat(2 * dimension, count)),
    "one of another structure": _other_search_file(_lists),
    "one without vectors": _other_search_file(lambda dimension, count: _flat(dimension, 0)),
    "an older schema": _older,
}


IDENTITIES: dict[str, dict] = {
    **{f"another {name}": {**work.IDENTITY, name: "another"} for name in work.IDENTITY},
    "a name more": {**work.IDENTITY, "precision": "bf16"},
    "a name less": {name: value for name, value in work.IDENTITY.items() if name != "profile"},
    "the same in other letters": {**work.IDENTITY, "detector": "Fake"},
    "a number": {**work.IDENTITY, "profile": 5},
    "a fingerprint of parts": {**work.IDENTITY, "detector": {"name": "fake", "sha256": "0" * 64}},
}


def _wrong_with_foreign(bench: Bench, index: Path, name: str) -> list[str]:
    def answer(tell: Callable) -> None:
        tell(answers=[(path.hex(), score) for path, score in work.answers(index)])

    reading, writing = in_child(answer), bench.run(index, None, 2)
    if "refused" in name:
        refused = [ended.last("ours") for ended in (reading, writing)]
        return [] if all(refused) else [f"not refused: {json.dumps([reading.told, writing.told])[:500]}"]
    problems = []
    if not reading.last("ours") and reading.last("answers") != bench.expected["answers"]:
        problems.append(f"a wrong answer: {reading.told[-1:]}")
    return problems + bench.wrong_in_the_end(index, 2)


def _wrong_with_identity(index: Path, identity: dict) -> list[str]:
    def job(tell: Callable) -> None:
        with Index.open(index, "w", create=True, identity=identity):
            tell(opened=True)

    ended = in_child(job)
    return [] if ended.last("ours") == "IdentityMismatchError" else [f"not refused: {ended.told}"]
