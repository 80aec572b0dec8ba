"""Trained search structures, at a size that trains in seconds: the budget says that comparing takes too long."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from amogus_search.core.calibration import uncalibrated
from amogus_search.core.types import Detections, FileEntry, FileStat, ImageFindings
from amogus_search.errors import UsageError
from amogus_search.evaluation.made_index import REGIONS, fill, make_index
from amogus_search.evaluation.made_vectors import Cloud, MadeVectors
from amogus_search.settings import SearchBudget
from amogus_search.store import digests, generations, vectors
from amogus_search.store.index import Index
from amogus_search.store.tuning import far_from

ROWS, DIMENSION = 2400, 32
CLOUD = MadeVectors(Cloud(dimension=DIMENSION, clusters=60))
QUICK = SearchBudget(latency_ms=0.001)
SMALL = SearchBudget(latency_ms=0.001, memory_bytes=60_000)
KINDS = {
    "IVF128,SQfp16": QUICK,
    "PCAR32,IVF128,PQ16x4fs": SMALL,
    "HNSW16,SQfp16": SearchBudget(structure="HNSW16,SQfp16"),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """An index without a search structure."""
    folder = tmp_path_factory.mktemp("structures") / "made"
    make_index(folder)
    fill(folder, CLOUD.chunks(ROWS), ROWS)
    return folder


@pytest.fixture
def index(filled, tmp_path):
    """A copy of it, open for writing."""
    subprocess.run(["cp", "-r", str(filled), str(tmp_path / "i")], check=True)
    with Index.open(tmp_path / "i", "w") as opened:
        yield opened


def publish(index, budget=QUICK):
    index.set_search_budget(budget)
    return index.publish()


def recall(index, k=10, queries=None, **only):
    """Share of the true k of fresh queries that are found, and that what is found is as similar as it says."""
    _, rows = index.vectors()
    hits = []
    for query in CLOUD.queries(40) if queries is None else queries:
        _, similar = index.search_vectors(query, k, **only)
        assert len(similar) == k
        assert (np.diff(similar) <= 0).all()
        best = np.sort(rows @ query)[::-1]
        assert np.abs(similar[:, None] - best).min(axis=1).max() < 1e-5
        hits.append((similar >= best[k - 1] - 1e-5).mean())
    return float(np.mean(hits))


def paths_of(index, pictures):
    return [b"/made/%05d/%09d.jpg" % (number // 1000, number) for number in pictures]


@pytest.mark.parametrize("structure", KINDS)
def test_each_structure_finds_what_it_promises_and_says_so(index, structure):
    assert publish(index, KINDS[structure])
    state = index.search_state()
    assert (state["structure"], state["rows"], state["is_exact"]) == (structure, ROWS, False)
    assert state["recall"] >= 0.94
    assert state["ms"] > 0
    assert state["exact_ms"] > 0
    assert recall(index) >= 0.9
    assert recall(index, 50) >= 0.85
    assert index.verify() == []
    assert not index.publish()


@pytest.mark.parametrize("structure", KINDS)
def test_questions_like_no_region_are_asked_harder(index, structure):
    """A text is about 0.3 similar to its picture; tuned with regions alone, two thirds of its answers were missed."""
    publish(index, KINDS[structure])
    queries = far_from(CLOUD.queries(40), np.random.default_rng(3))
    assert recall(index, queries=queries) >= 0.85
    state = index.search_state()
    assert state["far_recall"] >= 0.9
    assert state["search"]["far_effort"] > state["search"]["effort"]


def test_more_recall_costs_more_effort(index):
    efforts = []
    for wanted in (0.5, 0.99):
        publish(index, SearchBudget(latency_ms=0.001, recall=wanted))
        efforts.append(index.search_state()["search"]["effort"])
    assert efforts[0] < efforts[1]


def test_asking_for_all_or_very_many_compares_everything(index):
    publish(index)
    query = CLOUD.queries(1)[0]
    _, rows = index.vectors()
    expected = np.sort(rows.astype(np.float64) @ query)[::-1]
    np.testing.assert_allclose(index.search_vectors(query, ROWS)[1], expected, atol=1e-6)
    np.testing.assert_allclose(index.search_vectors(query, 1000)[1], expected[:1000], atol=1e-6)


@pytest.mark.parametrize("structure", KINDS)
def test_removed_regions_are_masked_without_building_anew(index, structure):
    publish(index, KINDS[structure])
    before = sorted(path.name for path in index.folder.glob("vectors-*"))
    # The nearest pictures of one query, so that nothing but dead regions lies around it.
    query = CLOUD.queries(1)[0]
    ids, _ = index.search_vectors(query, 60)
    pictures = sorted({(int(key) - 1) // REGIONS for key in ids})[:40]
    index.write(removed=paths_of(index, pictures))
    assert not index.publish()
    assert sorted(path.name for path in index.folder.glob("vectors-*")) == before
    found, _ = index.search_vectors(query, 10)
    assert len(found) == 10
    assert not {(int(key) - 1) // REGIONS for key in found} & set(pictures)
    assert recall(index) >= 0.9
    state = index.search_state()
    assert state["deleted"] == len(pictures) * REGIONS
    assert index.verify() == []


def test_many_removed_regions_are_left_out_of_a_new_structure_and_found_again_when_they_return(index):
    publish(index)
    index.write(removed=paths_of(index, range(60)))
    assert index.publish()
    assert index.search_state()["rows"] == ROWS - 60 * REGIONS
    back = paths_of(index, range(3))
    index.write(attached=[(_entry(path), _sha256(number)) for number, path in enumerate(back)])
    state = index.search_state()
    assert (state["tail"], state["rows"]) == (3 * REGIONS, ROWS - 60 * REGIONS)
    assert index.counts()["unpublished"] == 3 * REGIONS
    for number in range(3):
        own = index.region_vector(_sha256(number))
        assert index.search_vectors(own, 1)[1][0] == pytest.approx(1, abs=1e-4)
        assert index.search_vectors(own, 1)[0][0] == number * REGIONS + 1
    assert index.verify() == []
    index.write(removed=back[:1])
    assert index.search_vectors(index.region_vector(_sha256(0)), 1)[0][0] != 1
    assert index.search_state()["tail"] == 2 * REGIONS


def _sha256(number):
    return hashlib.sha256(b"made %d" % number).hexdigest()


def _entry(path):
    return FileEntry(path, b"/made", FileStat(1, 2, 3, 4, 5))


def test_new_regions_are_searched_at_once_and_the_structure_is_made_anew_only_when_they_are_many(index):
    patient = SearchBudget(latency_ms=0.02)
    publish(index, patient)
    assert not index.search_state()["is_exact"]
    index.rescore("made", uncalibrated)
    fresh = MadeVectors(Cloud(dimension=DIMENSION, clusters=60, seed=5))
    index.write(added=[_picture(fresh, number) for number in range(7)])
    assert not index.publish()
    assert index.search_state()["tail"] == 7
    for number in range(7):
        assert index.search_vectors(_picture(fresh, number).image_vector, 1)[0][0] == ROWS + 1 + number
    assert recall(index) >= 0.9
    index.write(added=[_picture(fresh, number) for number in range(7, 200)])
    assert index.publish()
    assert (index.search_state()["tail"], index.search_state()["rows"]) == (0, ROWS + 200)


def _picture(cloud, number):
    return ImageFindings(
        entry=_entry(b"/made/new/%d.jpg" % number),
        sha256=_sha256(-1 - number),
        format="JPEG",
        full_wh=(640, 480),
        detections=Detections.make(
            np.zeros((0, 4)), [], keypoints=np.zeros((0, 2, 3)), keypoint_names=("top", "foot")
        ).with_evidence(np.zeros((0, 2)), ("lid", "red")),
        image_vector=cloud.queries(number + 1)[number],
        detection_vectors=np.zeros((0, DIMENSION), np.float32),
    )


def test_only_allowed_regions_are_found_however_few(index):
    publish(index)
    query = CLOUD.queries(1)[0]
    searcher = index._searcher
    for step in (2, 700):
        allowed = np.arange(1, ROWS + 1, step)
        few = [near[-1] for near in searcher.search(query, 3, ("image", "detection"), allowed=allowed)]
        assert np.isin(few, allowed).all()
        assert len(few) == 3
    images = searcher.search(query, 5, ("image",), allowed=np.arange(1, ROWS + 1, 2))
    assert all(near[-1] % REGIONS == 1 for near in images)


PUBLISH = """
import sys
from pathlib import Path
from amogus_search.settings import SearchBudget
from amogus_search.store.index import Index
from amogus_search.store.tuning import far_from
with Index.open(sys.argv[1], "w") as index:
    index.set_search_budget(SearchBudget(latency_ms=0.001, memory_bytes=int(sys.argv[2])))
    index.publish()
"""


@pytest.mark.parametrize("memory", [QUICK.memory_bytes, SMALL.memory_bytes])
def test_the_same_regions_give_the_same_bytes_with_one_thread_and_with_three(filled, tmp_path, memory):
    """FAISS' matrix products round differently with more threads, so it gets one for training and filling."""
    found = set()
    for threads in ("1", "3"):
        folder = tmp_path / threads
        subprocess.run(["cp", "-r", str(filled), str(folder)], check=True)
        subprocess.run(
            [sys.executable, "-c", PUBLISH, str(folder), str(memory)],
            env={**os.environ, "OMP_NUM_THREADS": threads},
            check=True,
        )
        found.add((folder / "vectors-000001.faiss").read_bytes())
        with Index.open(folder) as index:
            found.add(index.signature())
    assert len(found) == 2


@pytest.fixture
def noted(monkeypatch):
    """Every file counts as a large one."""
    monkeypatch.setattr(digests, "ALWAYS_HASHED", 0)


@pytest.mark.usefixtures("noted")
def test_a_large_file_is_hashed_once_and_again_after_any_change(index, monkeypatch):
    publish(index)
    file = index.folder / "vectors-000001.faiss"
    hashed = []
    monkeypatch.setattr(digests, "digest", lambda path, digest=digests.digest: hashed.append(path.name) or digest(path))
    with Index.open(index.folder) as reader:
        reader.search_vectors(CLOUD.queries(1)[0], 10)
    assert hashed == []
    os.utime(file)
    for _ in range(2):
        with Index.open(index.folder) as reader:
            reader.search_vectors(CLOUD.queries(1)[0], 10)
    assert hashed == ["vectors-000001.faiss"]


@pytest.mark.usefixtures("noted")
@pytest.mark.parametrize("suffix", ["faiss", "ids"])
@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_a_damaged_large_file_is_never_used_and_made_anew(index, damage, suffix):
    publish(index)
    file = index.folder / f"vectors-000001.{suffix}"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.unlink()
    if damage != "delete":
        file.write_bytes(data if damage == "flip" else data[:-8])
    with Index.open(index.folder) as reader:
        assert reader.search_state()["structure"] is None
        assert recall(reader) == 1, "everything is compared"
        assert any("missing or damaged" in line for line in reader.verify())
    assert index.publish()
    assert index.verify() == []


@pytest.mark.usefixtures("noted")
def test_bits_that_a_disk_flipped_in_silence_give_no_wrong_similarity_and_are_found_by_verify(index):
    """Size, times and inode as before: only reading every byte shows it, and only `verify` does that."""
    publish(index)
    file = index.folder / "vectors-000001.faiss"
    note = index.folder / "vectors-000001.faiss.seen"
    data = bytearray(file.read_bytes())
    for place in range(len(data) * 3 // 4, len(data) * 3 // 4 + 400, 2):
        data[place] ^= 64
    file.write_bytes(data)
    stat = file.stat()
    looks = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]
    note.write_text(json.dumps({**json.loads(note.read_text()), "looks": looks}))
    with Index.open(index.folder) as reader:
        table, rows = reader.vectors()
        assert len(table) == ROWS
        for query in CLOUD.queries(10):
            _, similar = reader.search_vectors(query, 10)
            assert np.abs(similar[:, None] - rows @ query).min(axis=1).max() < 1e-5
        assert any("missing or damaged" in line for line in reader.verify())


def test_a_structure_that_faiss_does_not_know_is_a_usage_error_and_changes_nothing(index):
    with pytest.raises(UsageError, match="cannot make a structure 'Nonsense7'"):
        publish(index, SearchBudget(structure="Nonsense7"))
    with pytest.raises(UsageError, match="too few"):
        publish(index, SearchBudget(structure="IVF4096,Flat"))
    assert index.verify() == []
    assert recall(index) == 1


class FakeGpus:
    """FAISS with a GPU, as far as this package can tell: what is moved there is noted and stays where it is."""

    def __init__(self):
        import faiss

        self._faiss, self.moved = faiss, []

    def __getattr__(self, name):
        return getattr(self._faiss, name)

    def get_num_gpus(self):
        return 1

    def index_cpu_to_all_gpus(self, index):
        self.moved.append(type(index).__name__)
        return index


def test_a_gpu_finds_the_lists_and_takes_over_in_a_process_that_stays(index, monkeypatch):
    gpus = FakeGpus()
    monkeypatch.setattr(vectors, "require", lambda: gpus)
    publish(index)
    assert gpus.moved[0] == "IndexFlatL2"
    for query in CLOUD.queries(vectors.STAYS_AFTER + 5):
        index.search_vectors(query, 10)
    assert "IndexIVFScalarQuantizer" in gpus.moved
    assert recall(index) >= 0.9


@pytest.mark.parametrize("structure", KINDS)
def test_a_process_that_stays_gets_the_same_answers_out_of_its_own_memory(index, monkeypatch, structure):
    monkeypatch.setattr(digests, "ALWAYS_HASHED", 1000)
    copied = []
    monkeypatch.setattr(
        generations.resident, "in_large_pages", lambda path: copied.append(path) or np.fromfile(path, np.uint8)
    )
    publish(index, KINDS[structure])
    queries = CLOUD.queries(vectors.STAYS_AFTER)
    with Index.open(index.folder) as reader:
        before = [reader.search_vectors(query, 10)[0].tolist() for query in queries]
        assert copied[-1].name.endswith(".faiss")
        seen = len(copied)
        assert [reader.search_vectors(query, 10)[0].tolist() for query in queries] == before
        assert len(copied) == seen


def test_what_shall_be_mapped_or_was_written_to_is_not_taken_into_memory(index, monkeypatch):
    monkeypatch.setattr(digests, "ALWAYS_HASHED", 1000)
    publish(index)
    generation = generations.generations(index._catalog)[0]
    path, _ = generation.opened(index.folder)
    monkeypatch.setattr(generations.resident, "in_large_pages", lambda path: np.fromfile(path, np.uint8))
    reader = generations._reader_of(path, generation.settings)
    assert len(reader()) == path.stat().st_size
    os.utime(path, ns=(1, 1))
    assert reader() is None
    assert generations._reader_of(path, {"budget": {"mapped": True}})() is None
    assert generations._reader_of(b"bytes", {})() is None


def test_a_file_that_faiss_cannot_read_from_memory_stays_mapped(index, monkeypatch):
    monkeypatch.setattr(digests, "ALWAYS_HASHED", 1000)
    publish(index)
    monkeypatch.setattr(generations.resident, "in_large_pages", lambda path: np.zeros(100, np.uint8))
    for query in CLOUD.queries(vectors.STAYS_AFTER + 5):
        assert len(index.search_vectors(query, 10)[0]) == 10
