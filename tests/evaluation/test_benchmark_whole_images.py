import sys

import numpy as np
import pytest

from amogus_search.errors import AmogusError, MissingExtraError
from amogus_search.evaluation import benchmark_whole_images as bench
from amogus_search.evaluation import rclip_peer
from amogus_search.evaluation.comparing import Clock
from amogus_search.evaluation.made_vectors import Cloud, MadeVectors
from amogus_search.library import Index
from amogus_search.testing import FakeEmbedder


def test_a_row_says_how_many_times_as_fast_ours_was():
    row = bench.Rows("query", 10, Clock([0.1, 0.1], [0.1, 0.1]), Clock([0.2, 0.4], [0.2, 0.2])).to_dict()
    assert (row["ms"], row["rclip_ms"], row["times_as_fast"]) == (100.0, 300.0, 3.0)
    assert row["low"] < 3 < row["high"]


def test_a_made_index_holds_whole_pictures_that_are_found_by_their_vectors(tmp_path):
    embedder = FakeEmbedder()
    made = MadeVectors(Cloud(embedder.dimension, clusters=10))
    bench.fill(tmp_path / "index", tmp_path, made, 300, embedder)
    (vectors,) = made.chunks(300)
    with Index.open(tmp_path / "index") as index:
        assert len(index.known_files()) == 300
        best = index.search_vectors(np.asarray(vectors[7], np.float16).astype(np.float32), 1)
    assert len(best[0]) == 1


def test_starting_up_is_taken_off_the_time_of_indexing(tmp_path, monkeypatch):
    """Each side takes so many seconds from nothing, and so many again with nothing to do."""
    seconds = {"ours": [3.0, 1.0] * 2, "theirs": [9.0, 1.0] * 2}
    monkeypatch.setattr(bench, "_indexers", lambda *_: {name: name for name in seconds})
    monkeypatch.setattr(bench, "_same_pictures", lambda _: 10)

    def time(clock, side):
        clock.wall.append(seconds[side].pop(0))
        clock.cpu.append(1.0)

    monkeypatch.setattr(Clock, "time", time)
    models = bench.Models("openvino:x", tmp_path, tmp_path, tmp_path)
    rows = list(bench.indexing(tmp_path, tmp_path, models, 2, lambda *_: None))
    assert [row.to_dict()["times_as_fast"] for row in rows] == [4.0, 3.0, 1.0]
    assert rows[0].note == "5.0 and 1.2 pictures a second"


def test_a_program_that_fails_stops_the_measurement_with_what_it_said():
    with pytest.raises(AmogusError, match="no such thing"):
        bench._program([sys.executable, "-c", "import sys; sys.exit('no such thing')"])


def test_without_rclip_the_error_says_how_to_install_it_beside_our_pillow(monkeypatch):
    monkeypatch.setattr(rclip_peer.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        rclip_peer.require_rclip()
    assert "--no-deps rclip" in caught.value.hint
