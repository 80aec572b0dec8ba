"""The documents say what is so: their commands exist and run, and what they quote is what is printed."""

import json
import os
import re
import shlex
import stat
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.main import get_command

from amogus_search import registry, weights
from amogus_search.cli import main as command_line
from amogus_search.core.calibration import Calibration, Curve
from amogus_search.core.types import Detections, Hit
from amogus_search.exports.json_form import hit_json

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT) for folder in (".", "docs", "index", "weights") for path in (ROOT / folder).glob("*.md")
)
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Lines of the README's bash blocks that are not run, and why.
EXEMPT = {
    r"pip install ": "the package under test is installed already, and a test downloads nothing",
    r"make demo$": "makes a virtual environment and takes minutes; `.ci/run` runs it",
    r"amogus train motif": "needs PyTorch and half an hour; tests/cli/test_train_motif.py teaches one in seconds",
    r"amogus detect photos --detector motif:": "uses what the line before would have made",
    r"make test$": "is what runs this test",
}


def fences(text, language):
    return [body for kind, body in FENCE.findall(text) if kind == language]


def commands_of(text):
    """Every `amogus ...` line of a document, from its blocks and from the running text."""
    blocks = [line for _, body in FENCE.findall(text) for line in body.splitlines()]
    spoken = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    for line in (*blocks, *spoken):
        words = line.removeprefix("time ")
        if words.startswith("amogus ") and not words.startswith("amogus COMMAND"):
            yield words


@cache
def program():
    return get_command(command_line.program())


def parse(line):
    """Parse a command line as the program would, without running it; a bare command name may leave out the rest.

    Raises on an unknown command, option or value.
    """
    command, name, words = program(), "amogus", shlex.split(line, comments=True)[1:]
    while words and words[0] in getattr(command, "commands", {}):
        name = words.pop(0)
        command = command.commands[name]
    if hasattr(command, "commands"):
        assert not words or words[0].startswith("-"), f"{name} has no command {words[0]}"
    elif words:
        command.make_context(name, words)


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_command_in_a_document_is_one_that_the_program_knows(document):
    """Also those in the running text and in tables, which nothing runs."""
    for line in commands_of((ROOT / document).read_text(encoding="utf-8")):
        parse(line)


@pytest.mark.parametrize(
    "line", ["amogus serch", "amogus query --regoins", "amogus models export amogus", "amogus query --by luck"]
)
def test_a_wrong_command_in_a_document_would_be_noticed(line):
    usage_error = typer.BadParameter.__base__
    with pytest.raises((AssertionError, usage_error)):
        parse(line)


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_link_in_a_document_leads_to_a_file(document):
    text = FENCE.sub("", (ROOT / document).read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith(("http://", "https://")):
            assert (ROOT / document).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("command", sorted(program().commands))
def test_every_command_occurs_in_the_readme(command):
    assert re.search(rf"amogus {command}\b", FENCE.sub(lambda found: found[2], README))


@pytest.mark.parametrize("kind", ["detector", "embedder", "exporter"])
def test_every_backend_occurs_in_the_readme(kind):
    for name in registry.BUILT_IN[kind]:
        assert re.search(rf"`{name}`|export {name} ", README), name


def test_the_help_in_the_readme_is_the_one_that_is_printed():
    environment = {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    printed = subprocess.run(
        [sys.executable, "-m", "amogus_search", "--help"], capture_output=True, text=True, check=True, env=environment
    )
    assert fences(README, "text") == [printed.stdout.rstrip() + "\n"]


def shape_of(value):
    """The keys of a JSON value all the way down, with the kinds of the leaves."""
    if isinstance(value, dict):
        return {key: shape_of(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape_of(inner) for inner in value]
    return float if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value)


def test_the_annotated_json_in_the_readme_has_the_keys_of_a_real_hit():
    (block,) = fences(README, "jsonc")
    written = json.loads(re.sub(r"//.*$", "", block, flags=re.MULTILINE))
    motif = weights.motif("amogus")
    found = Detections.make(
        [[1, 2, 3, 4]], [0.9], keypoints=np.ones((1, 7, 3)), keypoint_names=motif.keypoint_names
    ).with_evidence(np.ones((1, len(motif.evidence_names))), motif.evidence_names)
    calibration = Calibration(Curve(0.0, 1.0), Curve(0.0, 1.0), np.zeros(3))
    hit = Hit(1, b"/a.jpg", 0.9, "amogusness", "ab", (9, 9), found, calibration.score(found), 0, "0" * 16)
    real = hit_json(hit)
    assert shape_of(real["image"].pop("detections")) == [shape_of(real["detection"])]
    assert written["image"].pop("detections") == []
    assert shape_of(written) == shape_of(real)


def rows_of(table_text):
    return [line for line in table_text.splitlines() if line.startswith("|") and "---" not in line]


def test_the_figures_in_the_readme_are_those_of_the_measurements():
    """They stand in one place; the README quotes it word for word."""
    quoted = rows_of(README.partition("## Measured")[2].partition("\n## ")[0])
    assert len(quoted) > 2
    assert set(quoted) <= set(rows_of((ROOT / "docs" / "MEASUREMENTS.md").read_text(encoding="utf-8")))


def test_the_first_picture_is_small_enough_for_a_readme():
    picture = ROOT / "docs" / "found.png"
    assert README.startswith("![")
    assert "](docs/found.png)" in README.splitlines()[0]
    assert picture.stat().st_size < 300_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with drawn `photos`, and the command `amogus` on the path."""
    from amogus_search.synth.backgrounds import random_ground
    from amogus_search.synth.scenes import plant_scene

    place = tmp_path_factory.mktemp("readme")
    (place / "photos").mkdir()
    for number, name in enumerate(("coffee", "garden", "street", "wall", "sky")):
        rng = np.random.default_rng(number)
        scene = plant_scene(rng, random_ground(rng, (640, 420)), number % 3, (), "plain", (60, 120))
        Image.fromarray(scene.image).save(place / "photos" / f"{name}.jpg", quality=92)
    program = place / "bin" / "amogus"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m amogus_search "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return place


def is_exempt(line):
    return any(re.match(pattern, line) for pattern in EXEMPT)


@pytest.mark.slow
def test_the_readme_runs_from_top_to_bottom(folder):
    """Each bash line and each Python block, in the order of the page, in one folder, with the real weights."""
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    environment.pop("AMOGUS_INDEX", None)
    for kind, body in FENCE.findall(README):
        lines = [body] if kind == "python" else [line for line in body.splitlines() if not is_exempt(line)]
        start = {"python": [sys.executable, "-c"], "bash": ["bash", "-ec"]}.get(kind)
        for line in lines if start else ():
            done = subprocess.run(
                [*start, line], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    made = ("crops/crops.csv", "gallery/index.html", "coco.json", "yolo/data.yaml", "findings.parquet", "sheet.png")
    assert all((folder / name).exists() for name in made)


def test_every_exemption_is_needed():
    lines = [line for body in fences(README, "bash") for line in body.splitlines()]
    for pattern in EXEMPT:
        assert any(re.match(pattern, line) for line in lines), pattern


@pytest.mark.slow
def test_the_first_picture_can_be_drawn_again(folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    drawing = [sys.executable, str(ROOT / "docs" / "found.py"), "again.png"]
    done = subprocess.run(drawing, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    with Image.open(folder / "again.png") as again, Image.open(ROOT / "docs" / "found.png") as stored:
        assert again.size == stored.size
