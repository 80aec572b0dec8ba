from __future__ import annotations

import pickle
import sqlite3
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest

from amogus_search.core.types import Hit
from amogus_search.errors import IndexStateError
from amogus_search.store.index import Index

QUERY = np.arange(1, 9, dtype=np.float32)


@pytest.fixture
def folder(index, make):
    index.write(added=[make.image("a.jpg", (0.9, 0.8)), make.image("b.jpg", (0.7,)), make.image("c.jpg")])
    return index.folder


def change(folder, statement):
    connection = sqlite3.connect(folder / "catalog.sqlite", isolation_level=None)
    connection.execute(statement)
    connection.close()


def told(hit):
    return {
        "found": hit.detections.confidence.tolist(),
        "scores": hit.scores.amogusness.tolist(),
        **{name: getattr(hit, name) for name in ("rank", "path", "score", "by", "sha256", "detection", "crop_id")},
    }


def test_findings_can_be_looked_at_after_the_index_was_closed(folder):
    """They are read with the question, and only made into arrays later."""
    with Index.open(folder) as opened:
        now = [told(hit) for hit in opened.similar(QUERY)]
        hits = opened.similar(QUERY)
    assert [told(hit) for hit in hits] == now
    assert {len(hit.detections) for hit in hits} == {2, 1, 0}
    assert all(hit.detection is None or hit.crop_id is not None for hit in hits)


def test_a_hit_is_what_it_was_when_it_was_found_whatever_is_written_then(folder, index, make):
    with Index.open(folder) as opened:
        first = [told(hit) for hit in opened.similar(QUERY)]
        hits = opened.similar(QUERY)
        index.rescore("same", lambda found: make.half(found.keep(slice(None))))
        index.rescore(None, None)
        index.write(removed=[hits[0].path])
        assert [told(hit) for hit in hits] == first


def test_hits_are_copied_replaced_and_pickled_like_any(folder):
    with Index.open(folder) as opened:
        for change_of in (lambda hit: replace(hit, rank=7), lambda hit: pickle.loads(pickle.dumps(hit))):
            for hit, same in zip(opened.similar(QUERY), map(change_of, opened.similar(QUERY)), strict=True):
                assert isinstance(same, Hit)
                assert {**told(same), "rank": 0} == {**told(hit), "rank": 0}
        hit = opened.similar(QUERY)[0]
        assert all(hasattr(hit, field.name) for field in fields(Hit))
        with pytest.raises(AttributeError):
            _ = hit.nothing
        with pytest.raises(FrozenInstanceError):
            hit.rank = 2


@pytest.mark.parametrize("table", ["detections", "scores"])
def test_a_damaged_finding_is_noticed_before_anybody_sees_it(folder, table):
    column, key = {"detections": ("x1", "sha256"), "scores": ("rarity", "detection")}[table]
    with Index.open(folder) as opened:
        whole = opened.similar(QUERY)
        damaged = next(hit for hit in whole if len(hit.detections))
        value = f"'{damaged.sha256}'"
        if table == "scores":
            value = f"(SELECT id FROM detections WHERE sha256 = {value} LIMIT 1)"
        change(folder, f"UPDATE {table} SET {column} = {column} + 1 WHERE {key} = {value}")
        hits = [hit for hit in opened.similar(QUERY) if hit.sha256 == damaged.sha256]
        for name in ("detections", "scores", "detection", "crop_id"):
            with pytest.raises(IndexStateError, match=f"of {table} does not match"):
                getattr(hits[0], name)
        assert len(damaged.detections)


@pytest.mark.parametrize("table", ["files", "contents"])
def test_a_damaged_file_or_picture_gives_no_answer(folder, table):
    change(folder, f"UPDATE {table} SET {'size = 8' if table == 'files' else 'width = 8'}")
    with Index.open(folder) as opened, pytest.raises(IndexStateError, match=f"of {table} does not match"):
        opened.similar(QUERY)
