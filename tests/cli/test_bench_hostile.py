"""`amogus bench hostile`: hostile files among good photos."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FAKES = ("--detector", "fake", "--embedder", "fake")


@pytest.fixture
def hostile(workplace):
    """Files that end in each of the usual ways, and the manifest that says so."""
    folder = workplace / "hostile"
    folder.mkdir()
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    noise.save(folder / "turned.jpg", exif=exif)
    noise.save(folder / "whole.png")
    whole = (folder / "whole.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "flipped.png").write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_bytes(b"no picture")
    (folder / "page.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    Image.new("1", (16000, 16000)).save(folder / "bomb.png")
    lines = [
        ("turned.jpg", "orientation", "decode", "exact"),
        ("whole.png", "good", "decode", "exact"),
        ("half.png", "cut", "skip:truncated or skip:corrupt", "exact"),
        ("flipped.png", "flipped", "decode or skip; never crash", "no_loss"),
        ("empty.jpg", "none", "skip:empty", "exact"),
        ("text.jpg", "none", "skip:not_an_image", "exact"),
        ("page.jpg", "none", "skip:not_an_image", "exact"),
        ("bomb.png", "huge", "skip:too_large", "exact"),
    ]
    write_manifest(folder, lines)
    return folder


def write_manifest(folder, lines):
    with open(folder / "MANIFEST.csv", "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("file", "category", "expected", "gate"))
        writer.writerows(lines)


def test_good_photos_are_indexed_among_hostile_files_as_without_them(amogus, photos, hostile):
    done = amogus("bench", "hostile", hostile, photos, *FAKES, "--format", "json")
    assert done.code == 0, done.err
    rows = {row["files"]: row for row in json.loads(done.out)}
    assert rows["good photos"] == {
        "files": "good photos",
        "tried": 5,
        "wrong": 0,
        "other_word": 0,
        "ended": "5 as without the hostile files",
    }
    assert rows["none"]["ended"] == "1 empty, 1 not_an_image, 1 unsupported_format"
    assert rows["none"]["other_word"] == 1
    assert "other word: page.jpg: skip:unsupported_format, not skip:not_an_image" in done.err


def test_a_file_that_ends_otherwise_is_named_and_makes_the_exit_code_1(amogus, photos, hostile):
    write_manifest(hostile, [("text.jpg", "none", "decode", "exact"), ("whole.png", "good", "skip:corrupt", "exact")])
    done = amogus("bench", "hostile", hostile, photos, *FAKES)
    assert done.code == 1
    assert "wrong: text.jpg: skip:not_an_image, not decode" in done.err
    assert "wrong: whole.png: decode, not skip:corrupt" in done.err


def test_a_folder_without_a_manifest_is_a_usage_error(amogus, photos):
    done = amogus("bench", "hostile", photos, photos, *FAKES)
    assert done.code == 2
    assert "MANIFEST.csv" in done.err


@pytest.mark.slow
@pytest.mark.skipif("AMOGUS_HOSTILE" not in os.environ, reason="AMOGUS_HOSTILE names no folder of hostile files")
def test_a_collection_of_hostile_files_ends_as_its_manifest_says(amogus, workplace, fault_record):
    """The same on a folder that is not ours to ship; generated files stand for it otherwise (above)."""
    folder = Path(os.environ["AMOGUS_HOSTILE"])
    good = workplace / "good"
    good.mkdir()
    for number in range(200):
        pixels = np.full((120, 160, 3), 20 + number, np.uint8)
        pixels[30:70, 20 + number % 90 : 60 + number % 90] = (240, 20, number // 90 * 20)
        Image.fromarray(pixels).save(good / f"{number:03}.png")
    done = amogus("bench", "hostile", folder, good, *FAKES, "--format", "json")
    rows = json.loads(done.out)
    tried, wrong = (sum(row[name] for row in rows) for name in ("tried", "wrong"))
    survived = tried - wrong
    fault_record("F17", tried=tried, survived=survived, what="hostile files and good ones", wrong=[done.err])
