from __future__ import annotations

import sys

import numpy as np
import pytest

from amogus_search.errors import MissingExtraError, UsageError
from amogus_search.store import vectors
from amogus_search.store.index import Index


def fill(index, make, names, findings=2):
    index.write(added=[make.image(name, np.linspace(0.9, 0.3, findings)) for name in names])


def everything(index):
    """Every live region and its similarity to one vector, as brute force finds them, best first."""
    table, rows = index.vectors()
    query = np.arange(1, 9, dtype=np.float32)
    similarity = rows.astype(np.float64) @ (query / np.linalg.norm(query))
    order = np.argsort(-similarity, kind="stable")
    return query, table.iloc[order].reset_index(drop=True), similarity[order]


def names(number, start=0):
    return [f"{place:03}.jpg" for place in range(start, start + number)]


@pytest.mark.parametrize("published", ["nothing", "some", "all"])
def test_answers_do_not_depend_on_how_much_is_published(index, make, published):
    fill(index, make, names(20))
    if published != "nothing":
        assert index.publish()
    fill(index, make, names(20, 20))
    if published == "all":
        assert index.publish()
    query, _, expected = everything(index)
    ids, similarities = index.search_vectors(query, 15)
    assert len(set(ids.tolist())) == 15
    np.testing.assert_allclose(similarities, expected[:15], atol=1e-6)


def test_kinds_are_searched_by_themselves(index, make):
    fill(index, make, names(10))
    index.publish()
    fill(index, make, names(5, 10))
    query, table, expected = everything(index)
    for kind in ("image", "detection"):
        _, similarities = index.search_vectors(query, 1000, (kind,))
        np.testing.assert_allclose(similarities, expected[table["kind"] == kind], atol=1e-6)
        assert all((hit.detection is None) == (kind == "image") for hit in index.similar(query, 5, kind=kind))


def test_removed_regions_never_crowd_out_live_ones(index, make):
    fill(index, make, names(60))
    index.publish()
    query, table, _ = everything(index)
    best = table["sha256"].drop_duplicates().tolist()[:55]
    gone = [f"/photos/{name}".encode() for name in names(60) if make.sha(name) in best]
    index.write(removed=gone)
    _, table, expected = everything(index)
    _, similarities = index.search_vectors(query, 10)
    np.testing.assert_allclose(similarities, expected[:10], atol=1e-6)
    assert not {hit.path for hit in index.similar(query, 50)} & set(gone)


def test_each_image_answers_once_by_its_best_region(index, make):
    fill(index, make, names(30), findings=8)
    index.publish()
    query, table, expected = everything(index)
    first = table.drop_duplicates("sha256").index[:25]
    hits = index.similar(query, 25, by_image=True)
    assert [hit.sha256 for hit in hits] == table["sha256"][first].tolist()
    np.testing.assert_allclose([hit.score for hit in hits], expected[first], atol=1e-6)
    assert hits[0].by == "similarity"
    assert [hit.rank for hit in hits] == list(range(1, 26))


def test_equal_regions_come_in_the_order_of_their_paths_however_many(index, make):
    """A thousand copies of one blank picture are a thousand equal similarities; the cut must not be arbitrary."""
    vector = make.image("one").image_vector
    pictures = [make.image(name, image_vector=vector) for name in reversed(names(300))]
    index.write(added=pictures)
    index.publish()
    assert [hit.path[-7:].decode() for hit in index.similar(vector, 10)] == names(10)


def test_a_finding_is_found_by_its_own_vector(index, make):
    fill(index, make, names(10))
    crop = index.best_regions(3)[2]
    hits = index.similar(index.region_vector(crop.crop_id), 1)
    assert (hits[0].crop_id, hits[0].path) == (crop.crop_id, crop.path)
    assert hits[0].score == pytest.approx(1, abs=1e-5)
    with pytest.raises(UsageError, match="no vector"):
        index.region_vector("0" * 16)


@pytest.mark.parametrize("query", [np.ones(7), np.zeros(8), np.full(8, np.nan)])
def test_a_useless_query_is_refused(index, make, query):
    fill(index, make, names(1))
    with pytest.raises(UsageError):
        index.similar(query)


def test_the_same_content_gives_the_same_faiss_bytes_in_any_order(tmp_path, make):
    digests = set()
    for turn in (1, -1):
        with make.create(tmp_path / str(turn)) as index:
            for name in names(12)[::turn]:
                fill(index, make, [name])
            index.publish()
            (file,) = (tmp_path / str(turn)).glob("*.faiss")
            digests.add((index.signature(), file.read_bytes()))
    assert len(digests) == 1


def test_publishing_twice_does_nothing_and_two_generations_are_kept(index, make):
    for round_number in range(4):
        fill(index, make, names(2, 10 * round_number))
        assert index.publish()
        assert not index.publish()
    files = sorted(path.name for path in index.folder.glob("*.faiss"))
    assert files == ["vectors-000003.faiss", "vectors-000004.faiss"]
    assert index.counts()["unpublished"] == 0


def test_a_reader_follows_the_writer_from_generation_to_generation(index, make):
    fill(index, make, names(3))
    index.publish()
    with Index.open(index.folder) as reader:
        for round_number in range(1, 4):
            query, _, expected = everything(index)
            np.testing.assert_allclose(reader.search_vectors(query, 5)[1], expected[:5], atol=1e-6)
            fill(index, make, names(3, 10 * round_number))
            index.publish()


@pytest.mark.parametrize("damage", ["flip", "cut", "delete", "swap"])
def test_a_damaged_search_file_is_never_trusted(index, make, damage):
    fill(index, make, names(20))
    index.publish()
    query, _, expected = everything(index)
    (file,) = index.folder.glob("*.faiss")
    data = bytearray(file.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif damage == "cut":
        file.write_bytes(data[:-4])
    elif damage == "delete":
        file.unlink()
    else:
        builder = vectors.Builder("Flat", 8)
        builder.add(np.eye(8, dtype=np.float32))
        builder.write(file)
    with Index.open(index.folder) as reader:
        np.testing.assert_allclose(reader.search_vectors(query, 10)[1], expected[:10], atol=1e-6)
        assert any("missing or damaged" in line for line in reader.verify())
    assert index.publish(), "the writer makes it anew"
    assert index.verify() == []


def test_without_faiss_the_error_names_both_extras(tmp_path, make, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError) as caught:
        make.create(tmp_path / "i")
    assert 'pip install "amogus_search[cpu]"' in caught.value.hint
    assert 'pip install "amogus_search[gpu]"' in caught.value.hint
    make.create(tmp_path / "j", embedder=None).close()
