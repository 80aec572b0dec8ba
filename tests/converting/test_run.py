"""Folders in, folders out: nothing lost, overwritten or done twice, metadata kept, originals untouched."""

import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from amogus_search.converting.inputs import from_boxes, from_paths
from amogus_search.converting.run import convert_files
from amogus_search.converting.tools import Output, Tools
from amogus_search.core.conversion import Choice, Conversion, MaskOptions
from amogus_search.errors import BackendGoneError, ConversionError, UsageError
from amogus_search.finder import Finder
from amogus_search.synth.fitting import fit_crewmate, fit_person
from amogus_search.testing import FakeConverter, FakeDetector

CONVERSION = Conversion(mask=MaskOptions("box", 0, 0))


def tools(converter=None, **more):
    finder = Finder(FakeDetector())
    return Tools(converter or FakeConverter(), fit_crewmate, finder, more.pop("judge", finder), **more)


def run(source, out, *, conversion=CONVERSION, converter=None, judge=..., **options):
    used = tools(converter) if judge is ... else tools(converter, judge=judge)
    wanted = from_paths([source] if isinstance(source, Path) else source)
    roots = [os.path.abspath(os.fsencode(source))] if isinstance(source, Path) else []
    return list(convert_files(wanted, used, conversion, Output(out, **options), roots=roots))


def statuses(outcomes):
    return {os.path.basename(outcome.path).decode(): outcome.status for outcome in outcomes}


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def red_square(path, size=(60, 80), mode="RGB", **save):
    pixels = np.full((*size, 3), 250, np.uint8)
    pixels[::2] = 235
    pixels[20:40, 30:50] = (230, 20, 20)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path, **save)
    return pixels


def test_every_input_is_in_out_with_its_sidecar_and_the_originals_are_untouched(drawn_photos, tmp_path):
    before = tree(drawn_photos)
    outcomes = run(drawn_photos, tmp_path / "out")
    assert statuses(outcomes) == {
        "blue.png": "copied",
        "empty.png": "copied",
        "one.png": "converted",
        "two.png": "converted",
    }
    assert tree(drawn_photos) == before
    written = tree(tmp_path / "out")
    names = ["blue", "empty", "one", "two"]
    assert sorted(written) == sorted(["before-after.html", *(f"{n}{e}" for n in names for e in (".png", ".json"))])
    assert written["blue.png"] == before["blue.png"]
    sidecar = json.loads(written["blue.json"])
    assert sidecar["copied"] is True
    assert sidecar["changes"] == []
    assert sidecar["source"]["sha256"] == hashlib.sha256(before["blue.png"]).hexdigest()


def test_only_what_the_masks_cover_differs(drawn_photos, tmp_path):
    run(drawn_photos, tmp_path / "out")
    original = np.asarray(Image.open(drawn_photos / "two.png").convert("RGB"))
    after = np.asarray(Image.open(tmp_path / "out" / "two.png"))
    inside = np.zeros(original.shape[:2], bool)
    inside[20:70, 20:60] = inside[30:60, 90:130] = True
    np.testing.assert_array_equal(after[~inside], original[~inside])
    assert (after[inside][:, 1] == 0).all()


def test_a_sidecar_says_all_that_is_needed_to_do_it_again(drawn_photos, tmp_path):
    run(drawn_photos, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "two.json").read_text())
    assert record["options"]["mask"] == {"kind": "box", "dilate": 0, "feather": 0}
    assert record["options"]["seed"] == 0
    assert record["backend"] == {"name": "fake", "fingerprint": "fake-converter-1"}
    assert record["detector"]["fingerprint"] == "fake-detector-1"
    assert record["output"]["sha256"] == hashlib.sha256((tmp_path / "out" / "two.png").read_bytes()).hexdigest()
    first = record["changes"][0]
    assert first["box"] == [20, 20, 60, 70]
    assert first["keypoints"]["top"] == [40, 20, 0.9]
    assert first["accepted"] is True
    assert first["before"] > 0.9
    assert first["after"] > 0.9
    assert first["tries"][first["kept"]]["seed"] == first["seed"]


def test_the_same_run_gives_the_same_bytes(drawn_photos, tmp_path):
    run(drawn_photos, tmp_path / "one")
    run(drawn_photos, tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_folders_are_mirrored_and_names_that_would_collide_keep_their_extension(tmp_path):
    for name in ("a/x.png", "a/b/x.png", "a/b/y.jpg", "a/b/y.png"):
        red_square(tmp_path / "in" / name)
    run(tmp_path / "in", tmp_path / "out", page=False)
    pictures = sorted(name for name in tree(tmp_path / "out") if not name.endswith(".json"))
    assert pictures == ["a/b/x.png", "a/b/y.jpg.png", "a/b/y.png.png", "a/x.png"]


def test_finished_outputs_are_not_redone(drawn_photos, tmp_path):
    run(drawn_photos, tmp_path / "out")
    (tmp_path / "out" / "one.png").unlink()
    converter = FakeConverter()
    outcomes = run(drawn_photos, tmp_path / "out", converter=converter)
    assert statuses(outcomes) == {"blue.png": "done", "empty.png": "done", "one.png": "converted", "two.png": "done"}
    assert len(converter.jobs_seen) == 1


def test_a_link_in_the_output_is_replaced_when_asked_and_never_followed(drawn_photos, tmp_path):
    out, mine = tmp_path / "out", tmp_path / "mine.txt"
    run(drawn_photos, out, page=False)
    mine.write_bytes(b"mine")
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    for path in files:
        path.unlink()
        path.symlink_to(mine)
        path.with_name(path.name + ".partial").symlink_to(mine)
    assert "converted" in statuses(run(drawn_photos, out, page=False, overwrite=True)).values()
    assert mine.read_bytes() == b"mine"
    assert not any(path.is_symlink() for path in files)


def test_other_settings_do_not_overwrite_unless_asked(drawn_photos, tmp_path):
    out = tmp_path / "out"
    run(drawn_photos, out)
    before = tree(out)
    other = Conversion(seed=5, mask=CONVERSION.mask)
    outcomes = run(drawn_photos, out, conversion=other, page=False)
    assert set(statuses(outcomes).values()) == {"kept"}
    assert tree(out) == before
    assert set(statuses(run(drawn_photos, out, conversion=other, overwrite=True)).values()) == {"copied", "converted"}
    assert json.loads((out / "one.json").read_text())["options"]["seed"] == 5


def test_a_foreign_file_in_out_is_left_alone(drawn_photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "one.png").write_bytes(b"mine")
    (out / "two.json").write_text('{"mine": true}')
    outcomes = run(drawn_photos, out)
    assert statuses(outcomes)["one.png"] == statuses(outcomes)["two.png"] == "kept"
    assert (out / "one.png").read_bytes() == b"mine"
    assert (out / "two.json").read_text() == '{"mine": true}'


def test_a_changed_original_is_converted_anew_only_when_asked(drawn_photos, tmp_path):
    run(drawn_photos, tmp_path / "out")
    shutil.copy(drawn_photos / "two.png", drawn_photos / "one.png")
    assert statuses(run(drawn_photos, tmp_path / "out"))["one.png"] == "kept"
    assert statuses(run(drawn_photos, tmp_path / "out", overwrite=True))["one.png"] == "converted"


def test_an_output_among_the_photos_is_refused(drawn_photos, tmp_path):
    before = tree(drawn_photos)
    link = tmp_path / "link"
    link.symlink_to(drawn_photos)
    for out in (drawn_photos, drawn_photos / "out", link, link / "out"):
        with pytest.raises(UsageError):
            run(drawn_photos, out)
    with pytest.raises(UsageError, match="never written to"):
        run([drawn_photos / "one.png"], drawn_photos, overwrite=True)
    assert tree(drawn_photos) == before


def test_a_link_in_out_that_leads_elsewhere_is_not_followed(tmp_path):
    red_square(tmp_path / "in" / "sub" / "a.png")
    before = tree(tmp_path / "in")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "in" / "sub")
    with pytest.raises(UsageError, match="leads out"):
        run(tmp_path / "in", tmp_path / "out", overwrite=True)
    assert tree(tmp_path / "in") == before


def test_a_bad_file_stops_nothing_and_its_bytes_are_in_out_too(drawn_photos, tmp_path):
    (drawn_photos / "a_broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    outcomes = run(drawn_photos, tmp_path / "out")
    assert statuses(outcomes)["a_broken.jpg"] == "skipped"
    assert [outcome.status for outcome in outcomes].count("converted") == 2
    assert (tmp_path / "out" / "a_broken.jpg").read_bytes() == (drawn_photos / "a_broken.jpg").read_bytes()
    assert json.loads((tmp_path / "out" / "a_broken.json").read_text())["skipped"]
    assert statuses(run(drawn_photos, tmp_path / "out"))["a_broken.jpg"] == "done"


def test_a_picture_that_the_back_end_cannot_do_leaves_nothing_and_is_tried_again(drawn_photos, tmp_path):
    def fails(job):
        return ConversionError("no") if job.crop.shape[0] > 90 else None

    outcomes = run(drawn_photos, tmp_path / "out", converter=FakeConverter(fails=fails), conversion=CONVERSION)
    failed = [name for name, status in statuses(outcomes).items() if status == "failed"]
    if failed:
        assert not (tmp_path / "out" / failed[0]).exists()
    again = statuses(run(drawn_photos, tmp_path / "out"))
    assert {again[name] for name in failed} <= {"converted"}
    assert again["two.png"] in ("done", "converted")


def test_a_back_end_that_goes_away_loses_nothing_and_the_next_run_goes_on(tmp_path):
    for number in range(6):
        red_square(tmp_path / "in" / f"{number}.png", size=(60, 80 + number))

    def fails(job):
        return BackendGoneError("the server is gone") if len(converter.jobs_seen) > 3 else None

    converter = FakeConverter(batch=1, fails=fails)
    with pytest.raises(BackendGoneError):
        run(tmp_path / "in", tmp_path / "out", converter=converter)
    finished = {name for name in tree(tmp_path / "out") if name.endswith(".png")}
    assert len(finished) == 3
    assert list(statuses(run(tmp_path / "in", tmp_path / "out")).values()) == ["done"] * 3 + ["converted"] * 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_its_tag_reset_the_rest_of_the_metadata_kept(tmp_path, orientation):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8298] = orientation, "Maker", "Somebody"
    exif.get_ifd(0x8769)[0x9003] = "2026:11:21 10:00:00"
    source = tmp_path / "in" / "a.jpg"
    red_square(source, exif=exif.tobytes(), icc_profile=profile, quality=95, dpi=(300, 300))
    run(tmp_path / "in", tmp_path / "out")
    from PIL import ImageOps

    with Image.open(source) as before, Image.open(tmp_path / "out" / "a.png") as after:
        upright = np.asarray(ImageOps.exif_transpose(before).convert("RGB"))
        assert after.size == upright.shape[1::-1]
        assert after.info["icc_profile"] == profile
        kept = after.getexif()
        assert (kept.get(0x0112), kept[0x010F], kept[0x8298]) == (1, "Maker", "Somebody")
        assert kept.get_ifd(0x8769)[0x9003] == "2026:11:21 10:00:00"
        record = json.loads((tmp_path / "out" / "a.json").read_text())
        x1, y1, x2, y2 = (round(value) for value in record["changes"][0]["box"])
        different = (np.asarray(after) != upright).any(axis=2)
        different[y1:y2, x1:x2] = False
        assert not different.any()


def test_the_same_format_keeps_jpeg_at_the_quality_that_is_stated(tmp_path):
    red_square(tmp_path / "in" / "a.JPG", quality=90)
    run(tmp_path / "in", tmp_path / "out", form="same")
    with Image.open(tmp_path / "out" / "a.JPG") as after:
        assert after.format == "JPEG"
        reference = Image.new("RGB", (8, 8))
        reference.save(tmp_path / "reference.jpg", quality=95, subsampling=0)
        with Image.open(tmp_path / "reference.jpg") as stated:
            assert after.quantization == stated.quantization
    assert "95" in json.loads((tmp_path / "out" / "a.json").read_text())["output"]["how"]


@pytest.mark.parametrize(("name", "exact"), [("a.webp", True), ("a.tif", True), ("a.bmp", True), ("a.gif", False)])
def test_other_formats_are_kept_without_loss_or_become_png(tmp_path, name, exact):
    pixels = red_square(tmp_path / "in" / name, **({"lossless": True} if name == "a.webp" else {}))
    (outcome,) = run(tmp_path / "in", tmp_path / "out", form="same")
    assert outcome.picture.name == (name if exact else "a.png")
    with Image.open(outcome.picture) as after:
        changed = np.asarray(after.convert("RGB"))
    np.testing.assert_array_equal(changed[:20], pixels[:20])


def test_a_tiff_keeps_its_exif(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0x9003] = "2026:11:21 10:00:00"
    red_square(tmp_path / "in" / "a.tif", exif=exif.tobytes())
    for form in ("same", "png"):
        (outcome,) = run(tmp_path / "in", tmp_path / form, form=form)
        with Image.open(outcome.picture) as after:
            assert after.getexif()[0x010F] == "Maker"
            assert after.getexif().get_ifd(0x8769)[0x9003] == "2026:11:21 10:00:00"


def test_transparency_and_hidden_colours_stay_and_what_is_painted_is_seen(tmp_path):
    pixels = red_square(tmp_path / "in" / "a.png")
    table = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    table[:10] = (7, 8, 9, 0)
    Image.fromarray(table).save(tmp_path / "in" / "a.png")
    run(tmp_path / "in", tmp_path / "out")
    with Image.open(tmp_path / "out" / "a.png") as after:
        assert after.mode == "RGBA"
        changed = np.asarray(after)
    np.testing.assert_array_equal(changed[:20], table[:20])
    assert (changed[20:40, 30:50, 3] == 255).all()


@pytest.mark.parametrize(("mode", "name", "said"), [("CMYK", "a.jpg", "CMYK became RGB"), ("L", "a.png", None)])
def test_what_cannot_be_kept_is_said(tmp_path, mode, name, said):
    red_square(tmp_path / "in" / name, mode=mode)
    boxes = json.dumps([{"path": str(tmp_path / "in" / name), "detections": [{"box": [30, 20, 50, 40]}]}])
    (tmp_path / "boxes.json").write_text(boxes)
    from amogus_search.converting.inputs import from_boxes

    wanted = from_boxes(tmp_path / "boxes.json")
    used = Tools(FakeConverter(), fit_crewmate)
    (outcome,) = convert_files(wanted, used, CONVERSION, Output(tmp_path / "out"))
    assert outcome.status == "converted"
    notes = json.loads((tmp_path / "out" / "a.json").read_text())["notes"]
    assert notes == ([said] if said else [])


def test_a_dry_run_writes_masks_and_crops_only(drawn_photos, tmp_path):
    out = tmp_path / "out"
    outcomes = run(drawn_photos, out, dry_run=True)
    assert set(statuses(outcomes).values()) == {"planned"}
    names = set(tree(out))
    assert {"one.1.crop.png", "one.1.mask.png", "two.2.mask.png", "two.json", "empty.json"} <= names
    assert "one.png" not in names
    assert "before-after.html" not in names
    mask = np.asarray(Image.open(out / "one.1.mask.png"))
    assert mask.max() == 255
    assert mask.min() == 0
    assert set(statuses(run(drawn_photos, out)).values()) == {"copied", "converted"}


def test_the_page_shows_scores_and_loads_nothing(drawn_photos, tmp_path):
    run(drawn_photos, tmp_path / "out")
    page = (tmp_path / "out" / "before-after.html").read_text()
    assert page.count("<article>") == 3
    assert "accepted" in page
    assert " before, " in page
    assert "http" not in page.replace("http-equiv", "")


def test_only_the_chosen_findings_are_converted(drawn_photos, tmp_path):
    conversion = Conversion(choice=Choice(top=1, order="area"), mask=CONVERSION.mask)
    outcomes = run(drawn_photos, tmp_path / "out", conversion=conversion)
    assert [len(outcome.changes) for outcome in outcomes] == [0, 0, 1, 1]
    assert outcomes[3].changes[0]["box"] == [20, 20, 60, 70]


def test_persons_are_converted_from_back_to_front(drawn_photos, tmp_path):
    """Whoever stands in front must not be painted over by somebody behind."""
    boxes = [[20, 5, 90, 115], [60, 20, 80, 60], [100, 30, 120, 100]]
    (tmp_path / "boxes.json").write_text(json.dumps([{"path": "photos/empty.png", "box": box} for box in boxes]))
    person = dataclasses.replace(CONVERSION, target="person", accept=None)
    doing = Tools(FakeConverter(), fit_person)
    (outcome,) = convert_files(from_boxes(tmp_path / "boxes.json"), doing, person, Output(tmp_path / "out"))
    assert [change["box"][0] for change in outcome.changes] == [60, 100, 20]


def test_a_stop_finishes_what_is_under_way(tmp_path):
    for number in range(8):
        red_square(tmp_path / "in" / f"{number}.png")
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 3

    wanted = from_paths([tmp_path / "in"])
    outcomes = list(convert_files(wanted, tools(), CONVERSION, Output(tmp_path / "out"), stop=stop))
    assert [outcome.status for outcome in outcomes] == ["converted"] * 3
    assert len(run(tmp_path / "in", tmp_path / "out")) == 8


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_run as it
real, count = os.replace, 0
def replace(*a, **k):
    global count
    count += 1
    if count == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*a, **k)
os.replace = replace
it.run(Path({source!r}), Path({out!r}))
"""


def test_a_kill_at_any_file_leaves_only_whole_files_and_the_next_run_ends_alike(drawn_photos, tmp_path):
    run(drawn_photos, tmp_path / "whole")
    expected = {name: content for name, content in tree(tmp_path / "whole").items() if name != "before-after.html"}
    for number in (1, 2, 4, 7):
        out = tmp_path / f"out{number}"
        code = KILLED.format(tests=str(Path(__file__).parent), number=number, source=str(drawn_photos), out=str(out))
        path = os.pathsep.join(p for p in sys.path if p)
        killed = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, check=False)
        assert killed.returncode == -signal.SIGKILL
        left = {name: content for name, content in tree(out).items() if not name.endswith(".part")}
        assert all(expected[name] == content for name, content in left.items())
        run(drawn_photos, out)
        assert {name: content for name, content in tree(out).items() if name in expected} == expected
