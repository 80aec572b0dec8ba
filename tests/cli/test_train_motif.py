"""From scribbles to findings: a motif taught in seconds is used by every command that takes a detector."""

import json
import shutil

import pytest

from amogus_search.synth.scribbles import write_scribbles


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eyes")
    write_scribbles(folder, "eye", 6, seed=1)
    return folder


@pytest.fixture(autouse=True)
def home(workplace, monkeypatch):
    monkeypatch.setenv("AMOGUS_MOTIFS", str(workplace / "home"))
    return workplace / "home"


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore")  # torch and ultralytics warn about themselves
def test_a_motif_is_taught_and_used_everywhere(amogus, drawings, home, workplace):
    teach = ("train", "motif", "eye", "--drawings", drawings, "--minutes", "0.1", "--size", "64", "--workers", "1")
    done = amogus(*teach, "--format", "json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["folder"] == str(home / "eye")
    assert 0 <= report["ap50_seen"] <= 1
    assert 0 <= report["ap50_unseen"] <= 1  # one drawing of six was kept aside
    assert report["measured_scenes"] == 48
    for name in ("motif.toml", "detector.onnx", "detector.safetensors", "calibration.json", "drawings.png"):
        assert (home / "eye" / name).stat().st_size > 0
    assert "--detector motif:eye" in done.err

    scene = workplace / "scenes"
    shutil.copytree(home / "eye" / "run" / "scenes" / "seen" / "images" / "val", scene)
    found = amogus("detect", scene, "--detector", "motif:eye", "--min-confidence", "0.1", "--format", "jsonl")
    assert found.code == 0, found.err
    detections = [one for line in found.out.splitlines() for one in json.loads(line)["detections"]]
    assert detections
    assert all(one["keypoints"] == one["evidence"] == {} for one in detections)
    assert all(0 <= one["amogusness"] <= 1 for one in detections)

    index = ("--index", "index")
    done = amogus("index", scene, *index, "--detector", "motif:eye", "--embedder", "fake", "--profile", "fast")
    assert done.code == 0, done.err
    assert len(json.loads(amogus("query", *index, "--regions", "--format", "json").out)) > 0
    assert amogus("export", "csv", "found.csv", *index).code == 0
    truth = home / "eye" / "run" / "scenes" / "unseen"
    measured = amogus("eval", "detect", truth, "--split", "val", "--detector", "motif:eye", "--format", "json")
    assert json.loads(measured.out)[0]["truth"] > 0

    again = amogus(*teach)
    assert "nothing to do" in again.err

    fewer = workplace / "fewer"
    shutil.copytree(drawings, fewer)
    (fewer / "eye_00.jpg").unlink()
    refused = amogus("train", "motif", "eye", "--drawings", fewer, "--minutes", "0.1", "--size", "64")
    assert refused.code == 1
    assert "begun with other drawings" in refused.err
    assert "--out" in refused.err


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore")
def test_a_killed_run_goes_on_with_what_it_has_drawn_and_learned(amogus, drawings, home, monkeypatch):
    """Killed after training, before anything was measured."""
    from amogus_search import teaching

    class Killed(BaseException):
        pass

    def die(*_args, **_kwargs):
        raise Killed

    teach = ("train", "motif", "eye", "--drawings", drawings, "--minutes", "0.1", "--size", "64", "--workers", "1")
    with monkeypatch.context() as patched:
        patched.setattr(teaching, "measure", die)
        with pytest.raises(Killed):
            amogus(*teach)
    steps = len((home / "eye" / "run" / "log.csv").read_text().splitlines())
    half = amogus("detect", drawings, "--detector", "motif:eye")
    assert "not taught yet" in half.err
    drawn = sorted((home / "eye" / "run" / "scenes").rglob("*.jpg"))
    times = [path.stat().st_mtime_ns for path in drawn]

    done = amogus(*teach)
    assert done.code == 0, done.err
    kept = [(path, time) for path, time in zip(drawn, times, strict=True) if path.exists()]
    assert len(kept) >= 72  # those to learn from are deleted when all is done
    assert all(path.stat().st_mtime_ns == time for path, time in kept)
    assert len((home / "eye" / "run" / "log.csv").read_text().splitlines()) == steps


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("eye", "--drawings", "nowhere"), 2, "there is no folder"),
        (("eye", "--drawings", "."), 2, "there is no drawing in"),
        (("amogus", "--drawings", "."), 2, "cannot be called"),
        (("eye", "--drawings", ".", "--minutes", "0"), 2, "no time"),
    ],
)
def test_what_cannot_be_taught_is_said_at_once(amogus, home, words, code, problem):
    done = amogus("train", "motif", *words)
    assert done.code == code
    assert problem in done.err
    assert not home.exists()


@pytest.mark.heavy
def test_a_photo_or_a_broken_file_among_the_drawings_is_named(amogus, drawings, workplace):
    folder = workplace / "drawings"
    shutil.copytree(drawings, folder)
    (folder / "zz.png").write_bytes(b"no picture")
    done = amogus("train", "motif", "eye", "--drawings", folder)
    assert done.code == 1
    assert "zz.png cannot be read" in done.err


def test_scribbles_are_drawn(amogus, workplace):
    done = amogus("synth", "scribbles", "stars", "--symbol", "star", "-n", "2")
    assert done.code == 0
    assert done.out.split() == ["stars/star_00.jpg", "stars/star_01.jpg"]
    assert len(list((workplace / "stars").iterdir())) == 2
