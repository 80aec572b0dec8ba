import base64
import hashlib
import io

import numpy as np
from PIL import Image

from amogus_search.exports.pages import filled, one_line, picture_uri, policy, template


def test_a_value_with_braces_in_it_stays_as_it_is():
    assert filled("<p>{{a}}</p>{{b}}", {"a": "{{b}}", "b": "x"}) == "<p>{{b}}</p>x"


def test_the_policy_names_style_and_script_by_their_hashes():
    rules = policy("p {}", "alert(1)")
    for text in ("p {}", "alert(1)"):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in rules
    assert "default-src 'none'" in rules
    assert "unsafe" not in rules


def test_a_page_without_a_script_allows_none():
    assert "script-src 'none'" in policy("p {}")


def test_small_pictures_are_stored_exactly():
    """Compression would smear pixel art."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    kind, _, content = picture_uri(pixels).partition(";base64,")
    assert kind == "data:image/png"
    assert (np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))) == pixels).all()
    assert picture_uri(np.zeros((200, 30, 3), np.uint8)).startswith("data:image/webp;base64,")


def test_a_name_cannot_break_the_line():
    assert "\n" not in one_line("a\nb\u202ec")


def test_templates_are_found_in_their_package():
    assert "{{policy}}" in template("amogus_search.exports", "gallery.html")
    assert "{{policy}}" in template("amogus_search.evaluation", "report.html")
