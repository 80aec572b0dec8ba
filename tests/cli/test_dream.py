"""`amogus dream` refuses what cannot be before it computes anything; tests/dreaming/test_networks.py really dreams."""

import sys

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def picture(workplace):
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(workplace / "a.png")
    return (workplace / "a.png").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "b.jpg"), "no .png file"),
        (("--out", "a.png"), "the picture itself"),
        (("--out", "there.png"), "--overwrite"),
        (("--out", "b.png", "--video", "b.avi"), ".mp4"),
        (("--out", "b.png", "--video", "there.gif"), "--overwrite"),
        (("--out", "b.png", "--frames", "full"), "is not empty"),
        (("--out", "b.png", "--fly", "5"), "--video"),
        (("--out", "b.png", "--strength", "2"), "strength"),
        (("--out", "b.png", "--size", "10"), "size"),
    ],
)
def test_what_cannot_be_written_is_refused_first(amogus, workplace, picture, words, said):
    (workplace / "there.png").write_bytes(b"mine")
    (workplace / "there.gif").write_bytes(b"mine")
    (workplace / "full").mkdir()
    (workplace / "full" / "mine.txt").write_text("mine")
    done = amogus("dream", "a.png", *words)
    assert done.code == 2
    assert said in done.err
    assert (workplace / "a.png").read_bytes() == picture
    assert {(workplace / name).read_bytes() for name in ("there.png", "there.gif", "full/mine.txt")} == {b"mine"}


def test_a_link_to_the_picture_is_the_picture(amogus, workplace, picture):
    (workplace / "link.png").symlink_to("a.png")
    done = amogus("dream", "a.png", "--out", "link.png", "--overwrite")
    assert (done.code, (workplace / "a.png").read_bytes()) == (2, picture)


def test_without_torch_the_way_out_is_said(amogus, workplace, picture, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("amogus_search.dreaming.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    done = amogus("dream", "a.png", "--out", "b.png")
    assert done.code == 1
    assert 'pip install "amogus_search[train]"' in done.err
    assert not (workplace / "b.png").exists()
