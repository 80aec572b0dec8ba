"""Names are bytes, and nothing in a folder makes a run crash, hang, or leave that folder (RELIABILITY: F16)."""

import csv
import io
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from amogus_search.cli.main import main
from amogus_search.store.index import Index

FAKES = ("--detector", "fake", "--embedder", "fake")
HARMLESS = re.compile(r"\d{4}_\d\.\d\d_[A-Za-z0-9_-]+_[0-9a-f]{16}\.jpg")


def bytes_of(record):
    """The file that a record of JSON or CSV means."""
    return bytes.fromhex(record["path_hex"]) if record.get("path_hex") else record["path"].encode()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """`--detector fake` for programs, from a package of their own."""
    folder = tmp_path_factory.mktemp("plugin")
    info = folder / "amogus_toys-1.0.dist-info"
    info.mkdir()
    (folder / "amogus_toys.py").write_text(
        "from amogus_search.testing import FakeDetector, FakeEmbedder\n"
        "def detector(argument):\n    return FakeDetector()\n"
        "def embedder(argument):\n    return FakeEmbedder()\n"
    )
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: amogus-toys\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[amogus_search.plugins]\ndetector.fake = amogus_toys:detector\nembedder.fake = amogus_toys:embedder\n"
    )
    return folder


@pytest.fixture
def amogus(models, monkeypatch, capsys):
    """Runs `amogus WORDS...` in this process and gives what it printed."""
    monkeypatch.syspath_prepend(str(models))

    def run(*words, code=0):
        capsys.readouterr()
        assert main([str(word) for word in words]) == code, capsys.readouterr().err
        return capsys.readouterr().out

    return run


@pytest.fixture
def indexed(hostile_tree, powerless, models, tmp_path_factory):
    """The folder of an index of the tree, made by a process without root's powers, and what it printed."""
    home = tmp_path_factory.getbasetemp() / "hostile-index"
    if not home.exists():
        command = ["-m", "amogus_search", "index", hostile_tree.root, "--index", home, *FAKES, "--format", "json"]
        done = powerless(*command, python_path=[models], timeout=120)
        assert done.returncode == 3, done.stderr  # two entries may not be read
        (home.parent / "hostile-report.json").write_bytes(done.stdout)
    return home, json.loads((home.parent / "hostile-report.json").read_text())


def test_every_entry_of_a_hostile_tree_ends_as_it_should(hostile_tree, indexed, fault_record):
    home, report = indexed
    with Index.open(home) as index:
        found = {path: file.reason or "indexed" for path, file in index.known_files().items()}
    wrong = {path: (what, found.get(path)) for path, what in hostile_tree.expected.items() if found.get(path) != what}
    extra = set(found) - set(hostile_tree.expected)
    tried = len(hostile_tree.expected)
    assert report["scanned"] == report["indexed"] + report["unchanged"] + report["skipped"] == tried
    assert not extra, f"met outside of what may be met: {extra}"
    fault_record("F16", tried=tried, survived=tried - len(wrong), what="entries of a hostile tree", wrong=wrong.items())


def test_names_come_through_json_and_csv_without_loss(hostile_tree, indexed, amogus):
    home, _ = indexed
    lines = amogus("query", "--index", home, "-n", 500, "--format", "jsonl").splitlines()
    assert {bytes_of(json.loads(line)) for line in lines} == hostile_tree.good()
    rows = list(csv.DictReader(io.StringIO(amogus("query", "--index", home, "-n", 500, "--format", "csv"), newline="")))
    assert {bytes_of(row) for row in rows} == hostile_tree.good()
    skipped = json.loads(amogus("status", "--skipped", "--index", home, "--format", "json"))
    expected = {path: what for path, what in hostile_tree.expected.items() if what != "indexed"}
    assert {bytes_of(row): row["skipped"] for row in skipped} == expected


def test_no_name_can_forge_a_line_or_move_the_cursor_in_a_table(indexed, amogus):
    home, _ = indexed
    for words in (["query", "-n", 500], ["status", "--skipped"]):
        table = amogus(*words, "--index", home)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\udc80-\udcff]", table)


def test_names_come_through_every_export(hostile_tree, indexed, amogus, tmp_path):
    home, _ = indexed
    every = ("--index", home, "-n", 500)
    amogus("export", "csv", tmp_path / "all.csv", *every)
    with open(tmp_path / "all.csv", encoding="utf-8", newline="") as stream:
        assert {os.path.normpath(bytes_of(row)) for row in csv.DictReader(stream)} == hostile_tree.good()
    amogus("export", "coco", tmp_path / "coco.json", *every)
    images = json.loads((tmp_path / "coco.json").read_text())["images"]
    assert len(images) == len(hostile_tree.good())
    assert {bytes_of({"path": image["file_name"], **image}) for image in images} == hostile_tree.good()


def test_crops_have_harmless_names_that_lead_back(hostile_tree, indexed, amogus, tmp_path):
    home, _ = indexed
    amogus("export", "crops", tmp_path / "crops", "--index", home, "-n", 500)
    files = {file.name for file in (tmp_path / "crops").iterdir()} - {"crops.csv"}
    assert all(HARMLESS.fullmatch(name) for name in files)
    with open(tmp_path / "crops" / "crops.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["file"] for row in rows} == files
    assert {bytes_of(row) for row in rows} == hostile_tree.good()


def test_a_yolo_export_links_to_the_very_files(hostile_tree, indexed, amogus, tmp_path):
    home, _ = indexed
    amogus("export", "yolo", tmp_path / "yolo", "--index", home, "-n", 500)
    links = list((tmp_path / "yolo" / "images").iterdir())
    assert {os.readlink(os.fsencode(link)) for link in links} == hostile_tree.good()
    assert all(re.fullmatch(r"\d{6}_[A-Za-z0-9_-]+\.[a-z0-9]+", link.name) for link in links)
    labels = {file.stem for file in (tmp_path / "yolo" / "labels").iterdir()}
    assert labels == {link.stem for link in links}


class Scripts(HTMLParser):
    """Counts what could run in a page, and collects its elements."""

    def __init__(self):
        super().__init__()
        self.elements, self.handlers = [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def test_no_name_becomes_markup_in_a_gallery(hostile_tree, indexed, amogus, tmp_path):
    home, _ = indexed
    amogus("export", "gallery", tmp_path / "page.html", "--index", home, "-n", 500)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    amogus("export", "gallery", tmp_path / "one.html", "--index", home, "-n", 1)
    parsed, plain = Scripts(), Scripts()
    parsed.feed(text)
    plain.feed((tmp_path / "one.html").read_text(encoding="utf-8"))
    assert parsed.elements == plain.elements  # hits are data; they add no element
    assert not parsed.handlers
    data = json.loads(re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL).group(1))
    assert len(data["items"]) == len(hostile_tree.good())
    assert {Path(address_path(item["href"])) for item in data["items"]} == {
        Path(os.fsdecode(path)) for path in hostile_tree.good()
    }


def address_path(address):
    from urllib.parse import unquote_to_bytes, urlparse

    assert urlparse(address).scheme == "file"
    return os.fsdecode(unquote_to_bytes(address.removeprefix("file://")))


@pytest.mark.slow
def test_detect_prints_a_line_a_file_of_the_tree(hostile_tree, powerless, models):
    command = ["-m", "amogus_search", "detect", hostile_tree.root, "--detector", "fake", "--format", "jsonl"]
    done = powerless(*command, python_path=[models], timeout=120)
    assert done.returncode == 3, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert {bytes_of(record): record.get("skipped", "indexed") for record in records} == hostile_tree.expected


@pytest.mark.slow
def test_a_second_run_over_a_hostile_tree_reads_nothing_again(hostile_tree, indexed, powerless, models):
    home, first = indexed
    command = ["-m", "amogus_search", "index", hostile_tree.root, "--index", home, *FAKES, "--format", "json"]
    report = json.loads(powerless(*command, python_path=[models], timeout=120).stdout)
    assert report["scanned"] == first["scanned"]
    assert (report["unchanged"], report["indexed"]) == (len(hostile_tree.good()), 0)
    assert report["removed"] == 0


EACH = """
import sys
from amogus_search.cli.main import main
pipe, photos, index, out = sys.argv[1:]
for words in (
    ["index", pipe, photos, "--index", index, "--detector", "fake", "--embedder", "fake"],
    ["detect", pipe, "--detector", "fake"],
    ["query", "--image", pipe, "--index", index],
    ["convert", pipe, "--out", out, "--detector", "fake"],
    ["query", "--index", pipe],
    ["index", photos, "--index", pipe, "--detector", "none"],
    ["detect", photos, "--detector", pipe],
):
    print(words[0], main(words), file=sys.stderr)
"""


def test_no_command_waits_for_a_pipe_that_is_named_to_it(tmp_path, powerless, models):
    """Nobody ever writes into it: to open it like a file would take for ever."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (60, 40)).save(tmp_path / "photos" / "a.png")
    names = (tmp_path / name for name in ("pipe.png", "photos", "index", "out"))
    done = powerless("-c", EACH, *names, python_path=[models], timeout=100)
    assert done.returncode == 0, done.stderr
    codes = [int(line.split()[1]) for line in done.stderr.decode().splitlines() if re.fullmatch(r"[a-z]+ \d+", line)]
    assert codes == [0, 0, 2, 0, 1, 1, 2], done.stderr
