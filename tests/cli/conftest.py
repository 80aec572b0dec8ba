"""The command line in this process, with fake models that come in by the plug-in door."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from amogus_search.cli.main import main

PLUGIN = """
from amogus_search.testing import FakeDetector, FakeEmbedder

class Forgetful(FakeEmbedder):
    def unknown_words(self, text):
        return tuple(word for word in text.split() if word == "flibber")

def detector(argument):
    return FakeDetector()

def embedder(argument):
    return Forgetful()
"""


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def fakes(tmp_path_factory, monkeypatch):
    """`--detector fake` and `--embedder fake`, from a package of their own."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "amogus_cli_fakes.py").write_text(PLUGIN)
    info = folder / "amogus_cli_fakes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: amogus-cli-fakes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[amogus_search.plugins]\n"
        "detector.fake = amogus_cli_fakes:detector\nembedder.fake = amogus_cli_fakes:embedder\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    """Every test works in a folder of its own, without an index from the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AMOGUS_INDEX", raising=False)
    return tmp_path


@pytest.fixture
def amogus(capsys):
    """Runs `amogus WORDS...` and gives its exit code and what it printed."""

    def run(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def drawn(photos_once, tmp_path_factory):
    """Five pictures: two red boxes, one red box, a blue one, nothing, and a broken file."""
    folder = shutil.copytree(photos_once, tmp_path_factory.mktemp("drawn") / "photos")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    return folder


@pytest.fixture
def photos(drawn, workplace) -> Path:
    """A copy of `drawn` in the working folder."""
    return Path(shutil.copytree(drawn, workplace / "photos"))


@pytest.fixture(scope="session")
def indexed_once(drawn, tmp_path_factory):
    """Where `indexed` keeps its index between tests: made by the first one that wants it."""
    return tmp_path_factory.mktemp("indexed") / "index"


@pytest.fixture
def indexed(drawn, indexed_once, amogus, monkeypatch):
    """An index of `drawn`, to be read only; $AMOGUS_INDEX names it."""
    if not indexed_once.exists():
        assert amogus("index", drawn, "--index", indexed_once, "--detector", "fake", "--embedder", "fake").code == 0
    monkeypatch.setenv("AMOGUS_INDEX", str(indexed_once))
    return indexed_once
