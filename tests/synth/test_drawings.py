"""A folder of drawings: read whole, or refused with the name of what is wrong."""

import numpy as np
import pytest
from PIL import Image

from amogus_search.errors import AmogusError, UsageError
from amogus_search.synth.drawings import cutout_sheet, read_drawings, reserve
from amogus_search.synth.scribbles import write_scribbles


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eyes")
    write_scribbles(folder, "eye", 3, seed=1)
    return folder


@pytest.fixture
def folder(eyes, tmp_path):
    """A folder of its own with the three drawings."""
    for path in eyes.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_drawings_come_in_the_order_of_their_names_and_other_files_are_left_alone(folder):
    (folder / "notes.txt").write_text("draw more")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "older").mkdir()
    found = read_drawings(folder)
    assert [one.name for one in found.cutouts] == ["eye_00.jpg", "eye_01.jpg", "eye_02.jpg"]


def test_the_digest_tells_other_drawings(folder):
    before = read_drawings(folder).digest
    assert read_drawings(folder).digest == before
    (folder / "eye_02.jpg").write_bytes((folder / "eye_01.jpg").read_bytes())
    assert read_drawings(folder).digest != before


def test_a_missing_folder_is_said_so(tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        read_drawings(tmp_path / "nowhere")


@pytest.mark.parametrize(("count", "words"), [(0, "no drawing"), (1, "one drawing"), (2, "2 drawings")])
def test_too_few_drawings_are_refused(eyes, tmp_path, count, words):
    for path in sorted(eyes.iterdir())[:count]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UsageError, match=f"there is {words} in .*at least 3"):
        read_drawings(tmp_path)


def test_an_unreadable_drawing_is_named(folder):
    (folder / "eye_01.jpg").write_bytes(b"\xff\xd8 no picture")
    with pytest.raises(AmogusError, match=r"eye_01\.jpg cannot be read"):
        read_drawings(folder)


def test_grey_palette_and_turned_files_are_read_like_others(eyes, tmp_path):
    picture = Image.open(eyes / "eye_00.jpg")
    picture.convert("L").save(tmp_path / "a.png")
    picture.convert("P").save(tmp_path / "b.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    picture.rotate(90, expand=True).save(tmp_path / "c.jpg", exif=exif)
    shapes = [one.shape.shape for one in read_drawings(tmp_path).cutouts]
    for height, width in shapes[1:]:
        assert (height, width) == pytest.approx(shapes[0], abs=3)


@pytest.mark.parametrize(("count", "aside"), [(3, 0), (5, 0), (6, 1), (9, 1), (10, 2), (14, 2)])
def test_some_of_many_drawings_are_kept_aside(eyes, count, aside):
    one = read_drawings(eyes).cutouts[0]
    cutouts = tuple(type(one)(str(i), one.rgba, one.shape, one.detail, one.line_px) for i in range(count))
    seen, unseen = reserve(cutouts, seed=4)
    assert len(unseen) == aside
    assert {c.name for c in seen}.isdisjoint({c.name for c in unseen})
    assert len(seen) + len(unseen) == count


def test_the_sheet_shows_every_drawing(eyes):
    sheet = cutout_sheet(read_drawings(eyes).cutouts, cell_px=60, columns=2)
    assert sheet.shape == (120, 120, 3)
    cells = [sheet[y : y + 60, x : x + 60] for y in (0, 60) for x in (0, 60)]
    assert [int(np.ptp(cell)) > 60 for cell in cells] == [True, True, True, False]
