"""What DreamBooth scripts need: pictures alone in their folders, captions beside, a command that names them."""

import csv
import json
import os
import shlex

import numpy as np
import pytest
from PIL import Image

from amogus_search.core.types import Detections, FindingScores, Hit
from amogus_search.errors import UsageError
from amogus_search.exports.dreambooth import COMMAND, LISTING, export_dreambooth
from amogus_search.exports.dreambooth_command import Training

SIZE = (300, 240)


def hit(rank, box=(100, 60, 180, 160), path=b"/photos/test one.jpg", amogusness=0.9, **changes):
    boxes = [] if box is None else [box]
    found = Detections.make(boxes, [0.9] * len(boxes))
    found = found.with_evidence([[0.9, 0.8, 0.1, 1.0]] * len(boxes), ("visor", "legs", "backpack", "red"))
    scores = FindingScores(np.array([amogusness] * len(boxes)), np.ones(len(boxes)), np.zeros(len(boxes), bool))
    values = {
        **{"rank": rank, "path": path, "score": 0.9, "by": "amogusness", "sha256": f"{rank:064x}", "full_wh": SIZE},
        **{"detections": found, "scores": scores, "detection": 0 if boxes else None},
    }
    return Hit(**(values | changes))


def photo(_):
    pixels = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    pixels[60:160, 100:180] = (200, 20, 20)
    return pixels


def captions(out):
    return [json.loads(line) for line in (out / "instance/metadata.jsonl").read_text().splitlines()]


def test_every_finding_is_a_square_with_a_caption(tmp_path):
    out = tmp_path / "out"
    report = export_dreambooth([hit(2, (0, 100, 90, 190)), hit(1)], photo, out, training=Training(resolution=128))
    assert (report.written, report.too_small, report.without_finding, report.problems) == (2, 0, 0, ())
    first, second = captions(out)
    assert first["text"] == "a photo of a red sks amogus with visor and legs"
    assert second["text"].startswith("a photo of a grey sks amogus")
    for row in (first, second):
        with Image.open(out / "instance" / row["file_name"]) as picture:
            assert picture.size == (picture.width, picture.width)
            assert picture.mode == "RGB"
            assert picture.width <= 128


def test_only_pictures_lie_where_scripts_read_every_file_as_one_and_no_name_means_a_split(tmp_path):
    out = tmp_path / "out"
    export_dreambooth([hit(1)], photo, out, class_hits=[hit(9, None)])
    (instance,), (plain,) = (list((out / name).iterdir()) for name in ("instance/images", "class"))
    assert {instance.suffix, plain.suffix} == {".png"}
    assert "test" not in instance.name
    assert sorted(file.name for file in (out / "instance").iterdir()) == ["images", "metadata.jsonl"]


def test_a_tall_photo_is_carried_on_to_a_square(tmp_path):
    def narrow(_):
        return np.full((300, 60, 3), 50, np.uint8)

    tall = hit(1, (5, 50, 55, 250), full_wh=(60, 300))
    export_dreambooth([tall], narrow, tmp_path / "out")
    with Image.open(next((tmp_path / "out/instance/images").iterdir())) as picture:
        assert picture.size == (280, 280)


def test_small_findings_and_whole_images_are_left_out_and_counted(tmp_path):
    hits = [hit(1, (10, 10, 40, 57)), hit(2, detection=None, by="similarity"), hit(3)]
    report = export_dreambooth(hits, photo, tmp_path / "out")
    assert (report.written, report.too_small, report.without_finding) == (1, 1, 1)


def test_class_pictures_are_of_photos_without_findings_and_away_from_doubtful_ones(tmp_path):
    plain = [
        hit(11, None),
        hit(12, amogusness=0.05),
        hit(13, amogusness=0.4),
        hit(14, amogusness=float("nan")),
        hit(15, (0, 0, 300, 240), amogusness=0.05),
        hit(11, None, path=b"/photos/copy.jpg"),
    ]
    out = tmp_path / "out"
    report = export_dreambooth([hit(1)], photo, out, class_hits=plain)
    names = sorted(file.name for file in (out / "class").iterdir())
    assert names == [f"0001_{11:064x}.png"[:21] + ".png", f"0002_{12:064x}.png"[:21] + ".png"]
    assert report.class_images == 2
    with Image.open(out / "class" / names[1]) as picture:
        assert picture.width == picture.height
        assert (np.asarray(picture) == 90).all(), "the doubtful finding is red"
    assert export_dreambooth([hit(1)], photo, out, class_hits=plain, class_images=1).class_images == 1
    assert len(list((out / "class").iterdir())) == 1


def options_of(command):
    words = shlex.split(command, comments=True)
    assert words[:3] == ["accelerate", "launch", "train_dreambooth_lora_sdxl.py"]
    starts = [place for place, word in enumerate(words) if word.startswith("--")]
    return {words[a]: words[a + 1 : b] for a, b in zip(starts, [*starts[1:], len(words)], strict=True)}


def test_the_command_names_what_was_written(tmp_path):
    out = tmp_path / "my out"
    training = Training("zwx thing", 512)
    report = export_dreambooth([hit(1)], photo, out, class_hits=[hit(9, None)], training=training)
    options = options_of(report.command)
    assert options["--dataset_name"] == [str(out / "instance")]
    assert options["--caption_column"] == ["text"]
    assert options["--instance_prompt"] == ["a photo of zwx thing"]
    assert options["--resolution"] == ["512"]
    assert options["--with_prior_preservation"] == []
    assert options["--class_data_dir"] == [str(out / "class")]
    assert options["--num_class_images"] == ["1"]
    assert options_of((out / COMMAND).read_text().replace("\\\n", " ")) == options


def test_without_class_pictures_the_command_does_not_ask_for_them(tmp_path):
    report = export_dreambooth([hit(1)], photo, tmp_path / "out")
    assert not [name for name in options_of(report.command) if "class" in name or "prior" in name]


def test_an_earlier_export_is_replaced_and_other_folders_are_not(tmp_path):
    out = tmp_path / "out"
    export_dreambooth([hit(1), hit(2, (20, 20, 90, 90))], photo, out)
    (out / "lora").mkdir()
    export_dreambooth([hit(1)], photo, out)
    assert len(list((out / "instance/images").iterdir())) == len(captions(out)) == 1
    assert (out / "lora").is_dir()
    with open(out / LISTING, newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (out / row["file"]).is_file()
    assert row["text"] == captions(out)[0]["text"]
    (out / LISTING).unlink()
    with pytest.raises(UsageError, match="not empty"):
        export_dreambooth([hit(1)], photo, out)
    with pytest.raises(UsageError, match="photo folder"):
        export_dreambooth([], photo, tmp_path / "new", source_folders=[bytes(tmp_path)])


def test_missing_photos_are_reported(tmp_path):
    def read(path):
        if path == b"/gone.jpg":
            raise FileNotFoundError
        return photo(path)

    report = export_dreambooth([hit(1), hit(2, path=b"/gone.jpg")], read, tmp_path / "out")
    assert report.written == 1
    assert [(problem.rank, problem.reason) for problem in report.problems] == [(2, "vanished")]


def test_a_folder_whose_name_is_no_text_stands_in_the_command_byte_for_byte(tmp_path):
    out = tmp_path / os.fsdecode(b"n\xff")
    export_dreambooth([hit(1)], photo, out)
    words = shlex.split(os.fsdecode((out / COMMAND).read_bytes()), comments=True)
    assert os.fsencode(words[words.index("--dataset_name") + 1]) == bytes(out / "instance")


def test_a_token_that_is_no_text_is_refused():
    with pytest.raises(UsageError, match="no text"):
        Training(os.fsdecode(b"\xff"))


@pytest.mark.parametrize("link", ["instance", "class"])
def test_a_folder_in_the_export_that_is_a_link_to_the_photos_is_refused(tmp_path, link):
    (tmp_path / "photos").mkdir()
    export_dreambooth([hit(1)], photo, tmp_path / "out")
    (tmp_path / "out" / link).rename(tmp_path / "elsewhere")
    (tmp_path / "out" / link).symlink_to(tmp_path / "photos")
    with pytest.raises(UsageError, match="photo folder"):
        export_dreambooth([hit(1)], photo, tmp_path / "out", source_folders=[bytes(tmp_path / "photos")])
    assert list((tmp_path / "photos").iterdir()) == []
