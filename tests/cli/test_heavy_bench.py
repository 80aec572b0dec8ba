"""The benchmarks against other programs, as small as can be: that they run, and that the same weights find the same."""

import importlib.util
import json

import numpy as np
import pytest
from PIL import Image

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.filterwarnings("ignore"),  # torch and ultralytics warn about themselves
]


@pytest.fixture
def photos(workplace):
    folder = workplace / "photos"
    folder.mkdir()
    for number, size_hw in enumerate([(480, 640), (428, 640)]):
        noise = np.random.default_rng(number).integers(60, 200, (size_hw[0] // 16, size_hw[1] // 16, 3))
        Image.fromarray(noise.astype(np.uint8)).resize(size_hw[::-1], Image.Resampling.BICUBIC).save(
            folder / f"{number}.png"
        )
    return folder


def test_pictures_prepared_as_ultralytics_does_give_its_findings(amogus, photos):
    done = amogus("bench", "engine", photos, "--plants", "4", "--explain", "--threads", "1", "--format", "json")
    assert done.code == 0, done.err
    rows = {row["what"]: row for row in json.loads(done.out) if row["against"] == "ultralytics"}
    last = rows["amogus f32, all theirs but the network"]
    assert last["findings"] > 0
    assert last["share"] == 1.0
    assert rows["amogus f32"]["times_as_fast"] > 0


@pytest.mark.skipif(importlib.util.find_spec("sahi") is None, reason="needs SAHI, the [peers] extra")
def test_slices_and_windows_are_compared_on_what_was_planted(amogus, photos):
    done = amogus("bench", "slicing", photos, "--plants", "4", "--threads", "1", "--format", "json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert [row["what"].split()[0] for row in rows] == ["SAHI", "amogus", "amogus", "amogus"]
    assert all(row["planted"] > 0 and row["windows"] > 0 for row in rows)
