"""What docs/SEARCH.md says under "Asking" works as it stands there: each command, each program."""

import contextlib
import io
import re
import shlex
import shutil
from pathlib import Path

import pytest

from amogus_search.cli.main import main
from amogus_search.indexing import Choice, index_paths

PAGE = (Path(__file__).parents[1] / "docs" / "SEARCH.md").read_text(encoding="utf-8")
ASKING = PAGE.partition("\n## Asking\n")[2].partition("\n## ")[0]
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", ASKING, re.DOTALL) for line in block.splitlines()]
PROGRAMS = re.findall(r"```python\n(.*?)```", ASKING, re.DOTALL)


@pytest.fixture(scope="session")
def asked_once(photos_once, tmp_path_factory):
    """A folder as the page has it: `photos`, a picture `bin.png`, and `index/holiday`, made by fake models."""
    folder = tmp_path_factory.mktemp("asking")
    shutil.copytree(photos_once, folder / "photos")
    shutil.copy(photos_once / "one.png", folder / "bin.png")
    return folder


@pytest.fixture
def folder(asked_once, fake_models, monkeypatch):
    if not (asked_once / "index").exists():
        index_paths([asked_once / "photos"], asked_once / "index" / "holiday", Choice("fake", "fake"))
    monkeypatch.chdir(asked_once)
    monkeypatch.setenv("AMOGUS_INDEX", "index/holiday")
    return asked_once


def test_there_are_examples():
    assert len(COMMANDS) > 15
    assert len(PROGRAMS) == 3


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_runs(line, capsys):
    """The fake motif has a lid where the real one has legs."""
    assert main(shlex.split(line.replace("legs", "lid"))[1:]) == 0, capsys.readouterr().err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_every_program_runs(program):
    """With models that need no weights; the slow test below has the real ones."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(program.replace('("amogus")', '("fake")'), "SEARCH.md", "exec"), {})
    assert len(printed.getvalue().splitlines()) > 3


@pytest.mark.slow
def test_every_program_runs_with_the_real_models(drawn_photos, tmp_path, monkeypatch):
    shutil.copy(drawn_photos / "one.png", tmp_path / "bin.png")
    monkeypatch.chdir(tmp_path)
    index_paths(["photos"], tmp_path / "index" / "holiday")
    for program in PROGRAMS:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(program, "SEARCH.md", "exec"), {})
        assert printed.getvalue()


@pytest.mark.parametrize(
    "name", ["path", "folder", "extension", "size", "modified", "width", "format", "findings", "red"]
)
def test_the_page_names_the_columns_that_there_are(name):
    from amogus_search.store.columns import where_columns

    columns = where_columns(("visor", "legs", "backpack", "body", "red"))
    assert name in columns
    said = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in ASKING.splitlines() if line[:2] == "| ")))
    assert said - {"column"} == set(columns)
