"""`amogus draw` writes what was asked for, and over nothing."""

import json
from xml.etree import ElementTree as ET

from PIL import Image


def test_one_crewmate_is_one_transparent_png(amogus, workplace):
    done = amogus("draw", "red.png", "--color", "red", "--hat", "crown", "--style", "flat", "--size", "80")
    assert done.code == 0
    assert "red.png" in done.out
    with Image.open(workplace / "red.png") as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGBA")
        assert 80 <= picture.height <= 120


def test_several_go_into_a_folder_with_their_looks_as_names(amogus, workplace):
    done = amogus("draw", "crew", "-n", "3", "--svg", "--size", "40", "--format", "json")
    rows = json.loads(done.out)
    assert len(rows) == 6
    assert sorted(row["file"] for row in rows) == sorted(f"crew/{file.name}" for file in (workplace / "crew").iterdir())
    assert len(list((workplace / "crew").glob("000[012]_*-outlined.svg"))) == 3


def test_an_svg_alone_is_an_svg(amogus, workplace):
    assert amogus("draw", "a.svg", "--pose", "walking").code == 0
    assert ET.parse(workplace / "a.svg").getroot().tag.endswith("svg")
    assert not (workplace / "a.png").exists()


def test_nothing_is_written_over_unless_asked(amogus, workplace):
    (workplace / "a.png").write_bytes(b"mine")
    done = amogus("draw", "a.png", "--size", "30")
    assert (done.code, (workplace / "a.png").read_bytes()) == (2, b"mine")
    assert "--overwrite" in done.err
    assert amogus("draw", "a.png", "--size", "30", "--overwrite").code == 0
    assert (workplace / "a.png").read_bytes() != b"mine"


def test_what_cannot_be_is_refused(amogus, workplace):
    for words in (
        ("a.png", "-n", "2"),
        ("a.jpg",),
        ("a.png", "--color", "reed"),
        ("a.svg", "--style", "pixel"),
        ("a.png", "--size", "5"),
    ):
        assert amogus("draw", *words).code == 2, words
    assert not list(workplace.iterdir())
