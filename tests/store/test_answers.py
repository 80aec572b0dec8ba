"""The best findings and files under conditions, also where hardly anything meets them."""

import numpy as np
import pytest

from amogus_search.core.where import compile_where
from amogus_search.store import answers

CONDITIONS = (
    "folder = rare",
    "width >= 290",
    "lid > 0.9",
    "findings = 3",
    "confidence < 0.2",
    "width > 5000",
    "zoom = 1",
)


@pytest.fixture
def filled(index, make):
    random = np.random.default_rng(3)
    images = [
        make.image(
            f"{'rare' if number % 40 == 39 else 'common'}/{number:03}.jpg",
            np.sort(random.integers(1, 10, number % 4) / 10)[::-1],  # many of the same score
            full_wh=(100 + number, 80),
        )
        for number in range(200)
    ]
    index.write(added=images)
    return index


def described(hits):
    return [(hit.rank, hit.path, hit.detection, hit.score) for hit in hits]


@pytest.mark.parametrize("probe", [0, 5, 60, 10_000])
def test_however_the_rare_ones_are_found_the_answer_is_the_same(filled, monkeypatch, probe):
    monkeypatch.setattr(answers, "_PROBE", probe)
    for text in CONDITIONS:
        where_sql, params = compile_where(text, filled.columns())
        for best in (filled.best_regions, filled.best_images):
            every = described(best(None, where_sql=where_sql, params=params))
            for n in (1, 7, 50):
                assert described(best(n, where_sql=where_sql, params=params)) == every[:n], text


def test_it_is_the_same_without_a_calibration(filled, monkeypatch):
    filled.rescore(None, None)
    where_sql, params = compile_where("folder = rare", filled.columns())
    every = described(filled.best_regions(None, where_sql=where_sql, params=params))
    monkeypatch.setattr(answers, "_PROBE", 5)
    assert described(filled.best_regions(3, where_sql=where_sql, params=params)) == every[:3]
    assert len(every) > 3
