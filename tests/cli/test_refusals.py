"""What the operating system refuses ends in an error with a way out; a bug keeps its traceback."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from amogus_search.cli import main as program

FORMS = ("csv", "parquet", "coco", "gallery", "crops", "cutouts", "dreambooth", "yolo")
ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def shell(indexed, fakes, workplace):
    """Runs a line of shell in which `$amogus` is the program."""

    def run(line):
        path = os.pathsep.join([str(fakes), ROOT])
        environment = {**os.environ, "PYTHONPATH": path, "amogus": f"{sys.executable} -m amogus_search"}
        return subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=workplace, env=environment)

    return run


def is_an_error(code, err, said):
    """One error and its way out, and nothing else."""
    lines = [line for line in err.splitlines() if line.startswith(("error:", "hint:", "Traceback", "Exception"))]
    assert (code, [line.partition(":")[0] for line in lines]) == (1, ["error", "hint"]), err
    assert said in lines[0]
    return True


@pytest.mark.usefixtures("indexed")
@pytest.mark.parametrize("form", FORMS)
def test_an_output_that_cannot_be_made_is_an_error(amogus, workplace, form):
    (workplace / "file").write_bytes(b"mine")
    for out, said in (("file/out.html", "file"), ("a" * 300, "name too long"), ("b/" + "a" * 300, "name too long")):
        done = amogus("export", form, out)
        if done.code == 2 and said == "file":
            continue  # said by the export itself
        assert is_an_error(done.code, done.err.lower(), said)
    assert (workplace / "file").read_bytes() == b"mine"


@pytest.mark.usefixtures("indexed")
@pytest.mark.parametrize("form", FORMS)
def test_a_folder_that_may_not_be_written_to_is_an_error(amogus, monkeypatch, form):
    """The tests may run as root, whom no permission stops."""

    def refuse(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    done = amogus("export", form, "closed/out.html")
    assert is_an_error(done.code, done.err, "closed")
    assert "Permission denied" in done.err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize(
    "words", ["--help", "query --help", "query", "query --format json", "status", "index $photos", "detect $photos"]
)
def test_a_full_standard_output_is_an_error(shell, drawn, indexed, words):
    words = words.replace("index $photos", f"index {drawn} --index new --detector fake --embedder fake --format json")
    words = words.replace("detect $photos", f"detect {drawn} --detector fake")
    done = shell(f"unset PYTHONUNBUFFERED; $amogus {words} >/dev/full")
    assert is_an_error(done.returncode, done.stderr, "standard output cannot be written: No space left on device")
    done = shell(f"PYTHONUNBUFFERED=1 $amogus {words} >/dev/full")
    assert is_an_error(done.returncode, done.stderr, "No space left on device")


@pytest.mark.parametrize("words", ["query", "index $photos", "--version"])
def test_a_closed_standard_output_is_an_error_and_nothing_is_written_into_what_takes_its_place(shell, drawn, words):
    words = words.replace("$photos", f"{drawn} --index new --detector fake --embedder fake")
    done = shell(f"$amogus {words} >&-")
    assert is_an_error(done.returncode, done.stderr, "standard output is closed")


def test_messages_that_nobody_can_read_do_not_stand_in_the_answer(shell, drawn):
    """Python prints to standard output what is meant for a standard error that is closed."""
    done = shell(f"$amogus index {drawn} --index new --detector fake --embedder fake --format json 2>&-")
    assert done.returncode == 0
    assert isinstance(json.loads(done.stdout), dict)


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_an_output_whose_encoding_lacks_a_letter_is_an_error(shell, drawn, workplace, form):
    shutil.copytree(drawn, workplace / "photos")
    (workplace / "photos/one.png").rename(workplace / "photos/é.png")
    assert shell("$amogus index photos --index new --detector fake --embedder fake").returncode == 0
    line = f"$amogus query --index new --format {form}"
    done = shell(f"PYTHONIOENCODING=ascii {line}")
    assert is_an_error(done.returncode, done.stderr, r"ascii, which has no '\xe9'")
    assert shell(f"PYTHONIOENCODING=utf-8 {line}").returncode == 0
    assert shell("PYTHONIOENCODING=ascii $amogus query --index new --format json").returncode == 0


def test_a_working_folder_that_is_gone_is_an_error(shell):
    for words in ("index photos --detector fake", "detect photos --detector fake", "export csv out.csv"):
        done = shell(f"mkdir gone; cd gone; rmdir ../gone; $amogus {words}")
        assert is_an_error(done.returncode, done.stderr, "the working folder is not there any more")


@pytest.mark.parametrize("bug", [MemoryError(), ValueError("a bug"), UnicodeEncodeError("utf-8", "\udcff", 0, 1, "no")])
def test_what_the_system_did_not_refuse_keeps_its_traceback(monkeypatch, bug):
    def fail(**_):
        raise bug

    monkeypatch.setattr(program, "program", lambda words: fail)
    with pytest.raises(type(bug)):
        program.main([])


def test_where_it_happened_is_shown_when_asked(shell, workplace):
    (workplace / "file").write_bytes(b"mine")
    assert "Traceback" in shell("$amogus --verbose export csv file/out.csv").stderr
