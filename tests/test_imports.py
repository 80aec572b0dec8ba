"""Importing costs nothing, the public names are there, and the package list is the tree."""

import configparser
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import amogus_search

ROOT = Path(__file__).parents[1]
HEAVY = (
    "cv2",
    "faiss",
    "matplotlib",
    "nncf",
    "onnx",
    "open_clip",
    "openvino",
    "pandas",
    "PIL",
    "scipy",
    "torch",
    "ultralytics",
)
COMMANDS = "index query detect status synth train eval export concept duplicates novelty"


def loaded_by(program, candidates):
    code = f"{program}\nimport sys; print([name for name in {candidates!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_importing_the_package_loads_not_even_numpy():
    assert loaded_by("import amogus_search", (*HEAVY, "numpy", "typer", "rich")) == "[]"


def test_the_help_loads_no_heavy_library():
    program = "from amogus_search.cli.main import main; main(['--help'])"
    assert loaded_by(program, (*HEAVY, "numpy")) == "[]"


@pytest.mark.parametrize("command", COMMANDS.split())
def test_the_help_of_a_command_loads_no_heavy_library(command):
    program = f"from amogus_search.cli.main import main; main([{command!r}, '--help'])"
    assert loaded_by(program, (*HEAVY, "numpy")) == "[]"


def test_the_help_answers_in_half_a_second():
    """Processor time, best of three: on a machine that does nothing else it is the time one waits."""
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "amogus_search", "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.5


@pytest.mark.parametrize("name", amogus_search.__all__)
def test_every_public_name_is_there(name):
    assert getattr(amogus_search, name) is not None
    assert name in dir(amogus_search)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'sus'"):
        amogus_search.sus  # noqa: B018


def setup_cfg():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def test_the_wheel_holds_every_package_of_the_tree():
    found = {
        ".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "amogus_search").rglob("__init__.py")
    } | {"amogus_search._weights"}
    assert set(setup_cfg()["options"]["packages"].split()) == found


def test_the_version_is_the_same_everywhere():
    assert setup_cfg()["metadata"]["version"] == amogus_search.__version__
