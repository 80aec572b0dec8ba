"""Cards of hits for notebooks: boxes drawn in, names escaped, and never longer than a page."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from amogus_search.core.types import Others
from amogus_search.errors import DecodeError
from amogus_search.exports.cards import cards, outlined


def pictures(page):
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))
        for content in re.findall(r'src="data:image/\w+;base64,([^"]+)"', page)
    ]


def test_a_box_is_drawn_about_its_pixels_and_leaves_them_alone():
    ground = np.full((20, 20, 3), 100, np.uint8)
    drawn = outlined(ground, (5, 6, 9, 12))
    assert (ground == 100).all()
    assert (drawn[6:12, 5:9] == 100).all()
    assert (drawn[5, 4:10] == 255).all()
    assert (drawn[4, 3:11] == (197, 17, 17)).all()
    assert (drawn[3] == 100).all()


@pytest.mark.parametrize("box", [(0, 0, 20, 20), (-50, -50, 90, 90), (19, 19, 20, 20), (-9, 5, -3, 9)])
def test_a_box_at_the_border_does_not_run_out_of_the_picture(box):
    assert outlined(np.zeros((20, 20, 3), np.uint8), box).shape == (20, 20, 3)


def test_a_card_shows_the_picture_with_its_box_and_the_finding_enlarged(make_hit, library):
    page = cards([make_hit(1, b"/photos/a.jpg", [[20, 20, 60, 60]])], library.pixels, "best")
    overview, close = pictures(page)
    assert (overview == (197, 17, 17)).all(axis=2).any() or np.abs(overview.astype(int) - (197, 17, 17)).sum(
        2
    ).min() < 90
    assert max(close.shape) <= 96


def test_hits_beyond_the_limit_are_only_counted(make_hit, library):
    hits = [make_hit(rank, b"/photos/a.jpg", [[20, 20, 60, 60]]) for rank in range(1, 6)]
    page = cards(hits, library.pixels, "best", limit=2)
    assert len(pictures(page)) == 4
    assert "and 3 more" in page


def test_a_picture_that_cannot_be_read_has_a_card_with_the_reason(make_hit):
    def read(path):
        raise DecodeError("corrupt", "no <picture> at all")

    page = cards([make_hit(1, b"/photos/a.jpg", [[20, 20, 60, 60]])], read, "best")
    assert "no &lt;picture&gt; at all" in page
    assert not pictures(page)


def test_copies_are_told(make_hit, library):
    page = cards([make_hit(1, b"/photos/a.jpg", [[20, 20, 60, 60]], others=Others(2, 1))], library.pixels, "best")
    assert "also: 2 copies, 1 near" in page


def test_hostile_names_do_not_become_markup(make_hit, library, hostile_path):
    page = cards([make_hit(1, hostile_path, [[20, 20, 60, 60]])], library.pixels, "<script>")
    assert "<script" not in page
    assert page.count("<img") == 2
