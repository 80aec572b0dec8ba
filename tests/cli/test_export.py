"""`amogus export`: every form is written, nothing goes among the photos."""

import csv
import json
import os

import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures("indexed")


def test_crops_are_of_findings_with_a_listing_beside(amogus, workplace):
    done = amogus("export", "crops", "crops", "--format", "json")
    assert done.code == 0
    assert json.loads(done.out)["written"] == 3
    assert len(list((workplace / "crops").glob("*.jpg"))) == 3
    with open(workplace / "crops/crops.csv", newline="") as listing:
        assert [row["rank"] for row in csv.DictReader(listing)] == ["1", "2", "3"]


def test_cutouts_are_transparent_and_refined_unless_told_not_to(amogus, workplace):
    """The fake detector's motif has another figure than a crewmate: its boxes count."""
    assert amogus("export", "cutouts", "cut", "--no-refine").code == 0
    with open(workplace / "cut/cutouts.csv", newline="") as listing:
        rows = list(csv.DictReader(listing))
    assert [row["cut_by"] for row in rows] == ["box"] * 3
    with Image.open(workplace / "cut" / rows[0]["file"]) as picture:
        assert picture.mode == "RGBA"
    assert json.loads(amogus("export", "cutouts", "cut", "--format", "json").out)["written"] == 3


def test_dreambooth_has_captions_class_pictures_and_the_command(amogus, workplace):
    """The fake detector's findings are small ones."""
    done = amogus("export", "dreambooth", "db", "--token", "zwx amogus", "--resolution", "64", "--format", "json")
    record = json.loads(done.out)
    lines = (workplace / "db/instance/metadata.jsonl").read_text().splitlines()
    assert record["written"] == len(lines)
    assert record["written"] + record["too_small"] == 3
    assert record["class_images"] == len(list((workplace / "db/class").iterdir())) >= 1
    assert "--instance_prompt 'a photo of zwx amogus'" in record["command"]
    assert (workplace / "db/command.txt").is_file()


def test_the_same_export_can_be_made_again(amogus):
    for form, out in (
        ("crops", "crops"),
        ("cutouts", "cutouts"),
        ("gallery", "gallery"),
        ("csv", "out.csv"),
        ("yolo", "yolo"),
    ):
        assert amogus("export", form, out).code == 0
        assert amogus("export", form, out).code == 0


def test_a_gallery_is_one_page_and_says_where_it_lies(amogus, workplace):
    done = amogus("export", "gallery", "gallery", "--text", "red <b>", "--title", "Sus")
    assert done.code == 0
    assert "gallery/index.html" in done.out
    page = (workplace / "gallery/index.html").read_text()
    assert "Sus" in page
    assert "red <b>" not in page


def test_tables_hold_every_picture(amogus, workplace):
    assert amogus("export", "csv", "out.csv").code == 0
    with open(workplace / "out.csv", newline="") as table:
        paths = [row["path"].rpartition("/")[2] for row in csv.DictReader(table)]
    assert sorted(paths) == ["blue.png", "empty.png", "one.png", "two.png", "two.png"]


def test_coco_and_yolo_carry_the_motif_s_keypoints(amogus, workplace):
    assert amogus("export", "coco", "coco.json").code == 0
    document = json.loads((workplace / "coco.json").read_text())
    assert document["categories"][0]["keypoints"] == ["top", "left", "right"]
    assert len(document["annotations"]) == 3
    assert amogus("export", "yolo", "yolo", "--copy").code == 0
    assert "kpt_shape: [3, 3]" in (workplace / "yolo/data.yaml").read_text()


def test_parquet_is_written_or_the_extra_is_named(amogus, workplace):
    done = amogus("export", "parquet", "out.parquet")
    assert done.code == 0 or "amogus_search[parquet]" in done.err


def test_query_options_choose_what_is_exported(amogus, workplace):
    done = amogus("export", "csv", "one.csv", "--where", "path like '%one%'", "--format", "json")
    assert json.loads(done.out)["images"] == 1


def test_nothing_is_written_among_the_photos(amogus, drawn):
    done = amogus("export", "crops", drawn / "crops")
    assert done.code == 2
    assert not (drawn / "crops").exists()


def test_an_unknown_form_is_answered_with_the_known_ones(amogus):
    done = amogus("export", "croops", "out")
    assert done.code == 2
    assert "did you mean 'crops'" in done.err


def test_a_link_beside_the_output_leads_no_export_into_a_photo(amogus, photos, workplace):
    photo = photos / "one.png"
    before = photo.read_bytes()
    (workplace / "out").mkdir()
    for name in ("x.csv.partial", "x.csv.part", "y.html.partial"):
        (workplace / "out" / name).symlink_to(photo)
    assert amogus("export", "csv", "out/x.csv").code == 0
    assert amogus("export", "gallery", "out/y.html").code == 0
    assert photo.read_bytes() == before


@pytest.mark.parametrize("form", ["csv", "parquet", "coco", "gallery"])
def test_a_pipe_or_a_link_is_never_replaced_by_an_export(amogus, workplace, form):
    """As root, `amogus export csv /dev/full` once made a file of the device; a pipe stands for it here."""
    os.mkfifo(workplace / "pipe.html")
    (workplace / "mine.html").write_bytes(b"mine")
    (workplace / "link.html").symlink_to("mine.html")
    for name, said in (("pipe.html", "a pipe"), ("link.html", "is a link")):
        done = amogus("export", form, name, "--overwrite")
        assert done.code == 2
        assert said in done.err
    assert (workplace / "pipe.html").is_fifo()
    assert (workplace / "link.html").is_symlink()
    assert (workplace / "mine.html").read_bytes() == b"mine"


@pytest.mark.parametrize("form", ["csv", "parquet", "coco", "gallery"])
def test_only_an_earlier_export_of_the_kind_is_replaced_without_being_told_to(amogus, workplace, form):
    out = workplace / "out.html"
    out.write_bytes(b"a,b,c\n1,2,3\n")
    refused = amogus("export", form, out)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert out.read_bytes() == b"a,b,c\n1,2,3\n"
    assert amogus("export", form, out, "--overwrite").code == 0
    assert amogus("export", form, out).code == 0
    out.write_bytes(b"")  # as mktemp makes them
    assert amogus("export", form, out).code == 0


def test_what_a_killed_export_left_does_not_refuse_the_next_one(amogus, workplace):
    (workplace / "crops").mkdir()
    (workplace / "crops/.amogus-0123456789abcdef.part").write_bytes(b"half")
    assert amogus("export", "crops", "crops").code == 0


def test_names_that_are_no_text_are_written_and_told(amogus, workplace):
    name = os.fsdecode(b"n\xff")
    for form in ("dreambooth", "csv", "gallery"):
        told = json.loads(amogus("export", form, f"{form}{name}", "--format", "json").out)
        path = told.get("out_hex") or told.get("page_hex")
        assert bytes.fromhex(path).startswith(f"{form}n".encode() + b"\xff")
        assert amogus("export", form, f"{form}{name}").code == 0
    assert b"n\xff/instance" in (workplace / f"dreambooth{name}" / "command.txt").read_bytes()
    refused = amogus("export", "dreambooth", "other", "--token", name)
    assert (refused.code, "no text" in refused.err) == (2, True)
