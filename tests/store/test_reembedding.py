from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from amogus_search.core.types import ImageFindings
from amogus_search.errors import AmogusError, IdentityMismatchError, IndexLockedError, IndexStateError
from amogus_search.store import catalog
from amogus_search.store.index import Index
from amogus_search.store.reembedding import Reembedding, give_up, unfinished
from amogus_search.store.staging import NAME

NEW = {"embedder": {"name": "other", "fingerprint": "e2", "dimension": 4}}


def with_vectors(image: ImageFindings, detections=None) -> ImageFindings:
    """The same picture as another embedder sees it: four numbers a vector, made from the content."""
    found = image.detections if detections is None else detections
    random = np.random.default_rng(int(image.sha256[:8], 16) + 1)
    vectors = random.normal(size=(len(found) + 1, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return ImageFindings(
        entry=image.entry,
        sha256=image.sha256,
        format=image.format,
        full_wh=image.full_wh,
        detections=found,
        image_vector=vectors[0],
        detection_vectors=vectors[1:],
    )


@pytest.fixture
def images(make):
    return [make.image(f"{n}.jpg", [0.9, 0.5][: n % 3]) for n in range(6)]


@pytest.fixture
def folder(tmp_path, make, images):
    """An index of six pictures with six findings, one of them under two names, and a skipped file."""
    with make.create(tmp_path / "index") as index:
        index.rescore("half", make.half)
        index.write(added=images, attached=[(make.entry("copy.jpg"), images[2].sha256)], skipped=[make.skip("bad")])
        index.publish()
    return tmp_path / "index"


@pytest.fixture
def identity(make):
    return {**make.identity, **NEW}


def exchanged(folder, make, identity, images):
    with Reembedding.open(folder, make.identity, identity) as exchange:
        exchange.write([with_vectors(image, exchange.detections(image.sha256)) for image in images])
        return exchange.switch()


def test_an_index_with_exchanged_vectors_is_as_one_that_always_had_them(tmp_path, folder, make, images, identity):
    exchanged(folder, make, identity, images)
    with Index.open(folder, "w") as index:
        index.publish()
        assert index.verify() == []
        after = index.signature()
    with make.create(tmp_path / "new", **NEW) as fresh:
        fresh.rescore("half", make.half)
        known = {item.sha256: item for item in images}
        with Index.open(folder) as index:
            stored = index.findings(known)
        added = [with_vectors(known[sha256], stored[sha256][0]) for sha256 in known]
        fresh.write(added=added, attached=[(make.entry("copy.jpg"), images[2].sha256)], skipped=[make.skip("bad")])
        fresh.publish()
        assert fresh.signature() == after


def test_until_the_switch_the_index_answers_as_before(folder, make, images, identity):
    with Index.open(folder) as index:
        before, query = index.signature(), index.region_vector(images[1].sha256)
        answer = [(hit.path, hit.score) for hit in index.similar(query)]
    with Reembedding.open(folder, make.identity, identity) as exchange:
        exchange.write([with_vectors(image) for image in images[:4]])
        stand = exchange.stand()
        assert (stand.done, stand.total, stand.total_regions) == (4, 6, 12)
        with Index.open(folder) as index:
            assert index.signature() == before
            assert index.identity == make.identity
            assert [(hit.path, hit.score) for hit in index.similar(query)] == answer
            assert unfinished(folder, index.identity).done == 4


def test_what_was_begun_is_gone_on_with_only_for_the_same_embedder(folder, make, images, identity):
    with Reembedding.open(folder, make.identity, identity) as exchange:
        exchange.write([with_vectors(image) for image in images[:2]])
    with Reembedding.open(folder, make.identity, identity) as exchange:
        pending = dict(exchange.pending())
        assert set(pending) == {image.sha256 for image in images[2:]}
        assert [entry.path for entry in pending[images[2].sha256]] == [b"/photos/2.jpg", b"/photos/copy.jpg"]
    with Reembedding.open(folder, make.identity, {**identity, "embedder": {"name": "third"}}) as exchange:
        assert exchange.stand().done == 0
    give_up(folder)
    assert unfinished(folder, make.identity) is None
    assert not list(folder.glob(f"{NAME}*"))


def test_contents_without_new_vectors_are_dropped_and_their_files_are_new_to_the_next_run(
    folder, make, images, identity
):
    """Half an answer would be kept for ever: content that is known is never looked at again."""
    with Index.open(folder, "w") as index:
        index.rescore("half", make.half)
        index.write(removed=[make.entry("5.jpg").path])
    forgotten = exchanged(folder, make, identity, images[:2] + images[3:5])
    assert forgotten.files == (b"/photos/2.jpg", b"/photos/copy.jpg")
    assert forgotten.removed == 1
    with Index.open(folder) as index:
        assert index.verify() == []
        assert not index.has_content(images[2].sha256)
        assert not index.has_content(images[5].sha256)
        assert b"/photos/2.jpg" not in index.known_files()
        assert index.known_file(b"/photos/bad").reason == "corrupt"
        assert index.counts()["detections"] == 2


def test_the_old_search_structure_is_gone_and_ids_of_regions_are_not_used_again(folder, make, images, identity):
    """A reader that has the old structure in memory must not take its rows for new vectors."""
    with sqlite3.connect(folder / "catalog.sqlite") as catalog:
        (newest,) = catalog.execute("SELECT max(id) FROM vectors").fetchone()
    exchanged(folder, make, identity, images)
    assert not list(folder.glob("*.faiss"))
    with sqlite3.connect(folder / "catalog.sqlite") as catalog:
        assert catalog.execute("SELECT min(id) FROM vectors").fetchone()[0] > newest
        assert catalog.execute("SELECT count(*) FROM generations").fetchone() == (0,)
    with Index.open(folder) as index:
        vector = index.region_vector(images[0].sha256)
        assert vector.shape == (4,)
        assert index.similar(vector)[0].path == images[0].entry.path


def test_a_reader_that_was_open_at_the_switch_is_told_to_open_again(folder, make, images, identity):
    """Two embedders may have vectors of one length; its query would be compared with what it does not fit."""
    with Index.open(folder) as reader:
        query = reader.region_vector(images[0].sha256)
        exchanged(folder, make, identity, images)
        with pytest.raises(IndexStateError, match="open it again"):
            reader.similar(query)
        with pytest.raises(IndexStateError, match="re-embedded"):
            reader.best_images()


def test_only_one_writer_and_only_the_index_it_was_meant_for(folder, make, identity):
    with Index.open(folder, "w"), pytest.raises(IndexLockedError):
        Reembedding.open(folder, make.identity, identity)
    with pytest.raises(IdentityMismatchError):
        Reembedding.open(folder, {**make.identity, "profile": "fast"}, identity)
    Index.open(folder, "w").close()


def test_another_embedder_is_refused_with_both_names_and_the_way_out(folder, make, identity):
    with pytest.raises(IdentityMismatchError, match="the index has fake, now other") as refusal:
        Index.open(folder, identity=identity)
    assert "amogus index PATH --embedder" in refusal.value.hint
    with pytest.raises(IdentityMismatchError) as other:
        Index.open(folder, identity={**identity, "profile": "fast"})
    assert "--embedder" not in other.value.hint


@pytest.mark.parametrize("wrong", ["zero", "infinite", "missing", "short"])
def test_a_vector_that_cannot_be_one_is_refused(folder, make, images, identity, wrong):
    good = with_vectors(images[1])
    vectors = {"zero": np.zeros((1, 4)), "infinite": np.full((1, 4), 1e30), "missing": np.zeros((0, 4))}
    with Reembedding.open(folder, make.identity, identity) as exchange:
        exchange.write([with_vectors(images[0])])
        with pytest.raises(ValueError, match=r"vector"):
            exchange.write([make.image("1.jpg", [0.9])] if wrong == "short" else [replaced(good, vectors[wrong])])
        assert exchange.stand().done == 1


def replaced(image, vectors):
    kept = {name: getattr(image, name) for name in ("entry", "sha256", "format", "full_wh", "detections")}
    return ImageFindings(**kept, image_vector=image.image_vector, detection_vectors=vectors.astype(np.float32))


def test_what_is_staged_is_kept_though_the_file_cannot_be_used_just_now(folder, make, images, identity, monkeypatch):
    """A backup that holds a lock, or a full disk, is no damage: hours of work lie there."""
    monkeypatch.setattr(catalog, "_BUSY_SECONDS", 0.2)
    with Reembedding.open(folder, make.identity, identity) as exchange:
        exchange.write([with_vectors(image, exchange.detections(image.sha256)) for image in images[:3]])
        done = exchange.stand().done
    other = sqlite3.connect(folder / NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(IndexStateError, match="locked"):
        Reembedding.open(folder, make.identity, identity)
    other.close()
    with Reembedding.open(folder, make.identity, identity) as exchange:
        assert exchange.stand().done == done > 0


def test_damage_to_what_is_staged_is_noticed_and_costs_only_that(folder, make, images, identity):
    with Index.open(folder) as index:
        before = index.signature()
    with Reembedding.open(folder, make.identity, identity) as exchange:
        exchange.write([with_vectors(image) for image in images])
    with sqlite3.connect(folder / NAME) as staging:
        staging.execute("UPDATE staged SET vectors = zeroblob(length(vectors)) WHERE sha256 = ?", (images[0].sha256,))
    with (
        Reembedding.open(folder, make.identity, identity) as exchange,
        pytest.raises(AmogusError, match="thrown away"),
    ):
        exchange.switch()
    with Index.open(folder) as index:
        assert index.signature() == before
    (folder / NAME).write_bytes(b"no database at all" * 100)
    assert unfinished(folder, make.identity) is None
    with Reembedding.open(folder, make.identity, identity) as exchange:
        assert exchange.stand().done == 0


WRITER = textwrap.dedent("""
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from conftest import DurableOperations, Maker
    from amogus_search.store import reembedding
    from amogus_search.store.index import Index

    operations = DurableOperations(int(sys.argv[2]))
    make = Maker()
    folder = Path(sys.argv[1])
    new = {**make.identity, "embedder": {"name": "other"}}
    with Index.open(folder) as index:
        identity = index.identity
    if identity != new:
        with reembedding.Reembedding.open(folder, make.identity, new) as exchange:
            for sha256, entries in exchange.pending():
                name = entries[0].path.decode().rpartition("/")[2]
                image = make.image(name, [0.9, 0.5][: int(name[0]) % 3])
                exchange.write([image])
            exchange.switch()
    else:
        reembedding.give_up(folder)
    print(operations.done)
""")


def run(folder: Path, kill_at: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(kill_at), str(Path(__file__).parent)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def state(folder: Path):
    with Index.open(folder, "w") as index:
        index.publish()
        return index.signature(), index.verify(), index.identity, sorted(path.name for path in folder.iterdir())


def copied(folder: Path, to: Path) -> Path:
    to.mkdir(parents=True)
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


@pytest.fixture
def undisturbed(tmp_path, folder):
    """The state after an exchange that nobody killed, and how many durable operations it took."""
    done = run(copied(folder, tmp_path / "undisturbed" / "index"), -1)
    assert done.returncode == 0, done.stderr
    return state(tmp_path / "undisturbed" / "index"), int(done.stdout)


def killed_and_resumed(folder: Path, to: Path, kill_at: int):
    work = copied(folder, to)
    with Index.open(work) as index:
        before = index.signature()
    assert run(work, kill_at).returncode == -9
    with Index.open(work) as index:  # whatever was killed, a reader sees the old vectors or the new ones, all of them
        assert index.verify() == []
        assert (index.signature() == before) == (index.identity["embedder"]["name"] == "fake")
    done = run(work, -1)
    assert done.returncode == 0, done.stderr
    return state(work)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_killed_anywhere_and_resumed_is_as_if_nothing_had_happened(tmp_path, folder, undisturbed, share):
    expected, operations = undisturbed
    assert killed_and_resumed(folder, tmp_path / "killed" / "index", round(share * operations)) == expected


@pytest.mark.slow
@pytest.mark.fault
def test_killed_at_operations_all_along_an_exchange(tmp_path, folder, undisturbed, places):
    expected, operations = undisturbed
    wrong = [
        k for k in places(operations, 16) if killed_and_resumed(folder, tmp_path / str(k) / "index", k) != expected
    ]
    assert wrong == []
