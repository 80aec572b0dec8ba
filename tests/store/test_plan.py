from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amogus_search.settings import SearchBudget
from amogus_search.store.plan import kept_directions, list_count, plan, tail_limit


@pytest.mark.parametrize(
    ("rows", "starts"),
    [
        (500, "Flat"),
        (50_000, "SQfp16"),
        (100_000, "IVF512,SQfp16"),
        (1_000_000, "IVF2048,SQfp16"),
        (3_000_000, "IVF4096,SQ8"),
        (10_000_000, "PCAR512,IVF8192,PQ256x4fs"),
    ],
)
def test_the_structure_grows_with_the_index(rows, starts):
    assert plan(rows, 512).structure == starts


def test_only_the_directions_that_matter_are_kept_of_very_many():
    assert plan(10_000_000, 512, kept=128).structure == "PCAR128,IVF8192,PQ128x4fs"


@settings(deadline=None)
@given(
    rows=st.integers(1, 10**8),
    dimension=st.sampled_from([8, 64, 256, 512, 768, 1152]),
    memory=st.integers(10**6, 10**11),
    latency=st.floats(0.01, 1000),
    recall=st.floats(0.5, 1),
)
def test_a_plan_keeps_to_the_memory_wherever_it_can_and_is_exact_only_in_time(rows, dimension, memory, latency, recall):
    chosen = plan(rows, dimension, SearchBudget(recall, memory, latency))
    if not chosen.is_exact:
        smallest = rows * (dimension // 8 + 9) + list_count(rows) * dimension * 4
        assert chosen.memory_bytes <= max(memory, smallest)
        assert 0 < chosen.training_rows <= rows
        assert chosen.tail_rows <= 0.05 * rows
    assert chosen.is_exact or recall < 1
    assert plan(rows, dimension, SearchBudget(recall, memory, latency)) == chosen


def test_a_full_recall_compares_everything_and_mapping_lifts_the_memory():
    assert plan(5_000_000, 512, SearchBudget(recall=1)).is_exact
    assert plan(5_000_000, 512, SearchBudget(mapped=True)).structure.endswith("SQfp16")


def test_a_named_structure_is_taken_as_it_is():
    assert plan(50, 8, SearchBudget(structure="HNSW16,SQ8")).structure == "HNSW16,SQ8"
    assert plan(10**7, 512, SearchBudget(structure="Flat")).is_exact


def test_more_outside_is_allowed_when_more_time_is():
    quick, slow = SearchBudget(latency_ms=2), SearchBudget(latency_ms=20)
    assert tail_limit(10**6, 512, quick) < tail_limit(10**6, 512, slow) <= 50_000
    assert tail_limit(1000, 512, slow) == 50


def test_directions_without_differences_are_not_kept():
    random = np.random.default_rng(0)
    flat = random.normal(size=(500, 40)).astype(np.float32) @ random.normal(size=(40, 128)).astype(np.float32) + 3
    assert kept_directions(flat) == 40
    assert kept_directions(np.ones((20, 16), np.float32)) == 16
    assert kept_directions(random.normal(size=(5000, 64)).astype(np.float32)) == 64
