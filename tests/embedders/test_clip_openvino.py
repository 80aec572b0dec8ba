from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from amogus_search import registry
from amogus_search.embedders.clip_openvino import ExportedClip
from amogus_search.errors import AmogusError, UsageError, WeightsError

CROPS = [np.random.default_rng(7).integers(0, 256, (40 + 19 * i, 61, 3), dtype=np.uint8) for i in range(5)]
TEXTS = ["a red amogus", "A photo of a bin!", "", "long " * 60]

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def exported(make_model, tmp_path_factory: pytest.TempPathFactory):
    """A small model, the folder of its export, and what was measured."""
    from amogus_search.embedders.open_clip import OpenClipEmbedder
    from amogus_search.embedders.open_clip_export import export_openvino

    model = OpenClipEmbedder(str(make_model("vit")))
    report = export_openvino(model, tmp_path_factory.mktemp("out") / "clip")
    return model, report.folder, report


@pytest.fixture
def copied(exported, tmp_path: Path) -> Path:
    """A copy of the export that a test may damage."""
    for path in exported[1].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_every_architecture_gives_the_same_vectors_in_openvino(model_folder: Path, tmp_path: Path) -> None:
    from amogus_search.embedders.open_clip import OpenClipEmbedder
    from amogus_search.embedders.open_clip_export import export_openvino

    model = OpenClipEmbedder(str(model_folder))
    report = export_openvino(model, tmp_path / "out")
    export = ExportedClip(tmp_path / "out")
    assert ((export.embed_images(CROPS) * model.embed_images(CROPS)).sum(axis=1) >= 0.9999).all()
    assert ((export.embed_texts(TEXTS) * model.embed_texts(TEXTS)).sum(axis=1) >= 0.9999).all()
    assert np.abs(export.embed_images(CROPS) - model.embed_images(CROPS)).max() < 1e-4
    assert report.least_cosine >= 0.9999
    assert report.speed_up == report.model_ms / report.export_ms > 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    # CLIP's own text tower needs no OpenVINO; one that is not causal, or answers at a mark of its own, does.
    plan = json.loads((tmp_path / "out" / "clip.json").read_text())["plain_text"]
    architecture = json.loads((model_folder / "open_clip_config.json").read_text())["model_cfg"]
    assert (plan is not None) == ("custom_text" not in architecture)


def test_in_bf16_it_is_another_embedder_and_where_the_cpu_lacks_it_the_same_as_in_f32(
    exported, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from amogus_search.embedders import clip_openvino

    card = json.loads((copied / "clip.json").read_text())
    (copied / "clip.json").write_text(json.dumps(card | {"precision": "bf16"}))
    monkeypatch.setattr(clip_openvino, "cpu_has_bf16", lambda: False)
    assert ExportedClip(copied).fingerprint == ExportedClip(exported[1]).fingerprint
    monkeypatch.setattr(clip_openvino, "cpu_has_bf16", lambda: True)
    assert ExportedClip(copied).precision == "bf16"
    assert ExportedClip(copied).fingerprint != ExportedClip(exported[1]).fingerprint


def test_it_runs_without_pytorch_and_open_clip(exported) -> None:
    _, folder, _ = exported
    program = (
        "import sys; sys.modules.update(torch=None, open_clip=None, torchvision=None)\n"
        "import numpy as np\nfrom amogus_search.registry import load_embedder\n"
        f"embedder = load_embedder('openvino:{folder}')\n"
        "print(embedder.embed_images([np.zeros((9, 9, 3), np.uint8)]).shape, embedder.embed_texts(['red']).shape)\n"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, cwd=root, check=True
    )
    assert done.stdout == "(1, 32) (1, 32)\n"


def test_a_vector_has_the_same_bits_alone_and_in_company(exported) -> None:
    export = ExportedClip(exported[1])
    together = export.embed_images(CROPS)
    assert np.array_equal(export.embed_images(CROPS[3:4])[0], together[3])
    assert export.embed_images([]).shape == export.embed_texts([]).shape == (0, 32)
    assert export.unknown_words("blurple") == ()


def test_the_fingerprint_is_that_of_the_content_and_not_of_the_place(exported, copied: Path, tmp_path: Path) -> None:
    from amogus_search.embedders.open_clip_export import export_openvino

    model, folder, _ = exported
    first = ExportedClip(folder)
    again = ExportedClip(export_openvino(model, tmp_path / "again").folder)
    assert ExportedClip(copied).fingerprint == again.fingerprint == first.fingerprint
    assert first.fingerprint != model.fingerprint, "vectors of the two are alike, but not the same"
    assert first.name == f"openvino:{folder}"
    assert first.source == model.name


def test_a_name_with_a_relative_path_means_the_same_folder_from_anywhere(exported, monkeypatch) -> None:
    monkeypatch.chdir(exported[1].parent)
    assert registry.load_embedder("openvino:clip").name == f"openvino:{exported[1]}"


def test_a_tokeniser_of_its_own_travels_with_the_export(own_tokenizer: Path, transformers, tmp_path: Path) -> None:
    """It needs open_clip and transformers then, but neither the model's folder nor a connection."""
    from amogus_search.embedders.open_clip import OpenClipEmbedder
    from amogus_search.embedders.open_clip_export import export_openvino

    (own_tokenizer / "tokenizer.json").write_text("7")
    model = OpenClipEmbedder(str(own_tokenizer))
    export = ExportedClip(export_openvino(model, tmp_path / "out").folder)
    (own_tokenizer / "tokenizer.json").write_text("9")
    assert ((export.embed_texts(TEXTS) * model.embed_texts(TEXTS)).sum(axis=1) >= 0.9999).all()
    (tmp_path / "out" / "tokenizer" / "tokenizer.json").write_text("8")
    with pytest.raises(WeightsError, match=r"tokenizer\.json"):
        ExportedClip(tmp_path / "out").embed_texts(["red"])


@pytest.mark.parametrize("name", ["image.xml", "image.bin", "text.bin", "text.rest.bin", "merges.txt.gz"])
def test_a_damaged_file_is_never_used(copied: Path, name: str) -> None:
    data = bytearray((copied / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copied / name).write_bytes(data)
    export = ExportedClip(copied)
    use = export.embed_images if name.startswith("image") else export.embed_texts
    with pytest.raises(WeightsError, match=name):
        use(CROPS[:1] if name.startswith("image") else TEXTS[:1])


def test_a_text_needs_no_image_tower_and_a_picture_none_of_texts(exported, copied: Path) -> None:
    for name in ("image.xml", "image.bin", "text.xml"):
        (copied / name).unlink()
    assert np.array_equal(ExportedClip(copied).embed_texts(TEXTS), ExportedClip(exported[1]).embed_texts(TEXTS))
    for name in ("image.xml", "image.bin"):
        (copied / name).write_bytes((exported[1] / name).read_bytes())
        (copied / name.replace("image", "text")).unlink(missing_ok=True)
    assert np.array_equal(ExportedClip(copied).embed_images(CROPS), ExportedClip(exported[1]).embed_images(CROPS))


def test_both_ways_of_reading_texts_agree(exported, copied: Path) -> None:
    card = json.loads((copied / "clip.json").read_text())
    (copied / "clip.json").write_text(json.dumps({name: card[name] for name in card if name != "plain_text"}))
    plain, network = ExportedClip(exported[1]), ExportedClip(copied)
    assert plain.fingerprint == network.fingerprint, "an export from before is the same model"
    assert np.abs(plain.embed_texts(TEXTS) - network.embed_texts(TEXTS)).max() < 1e-5


def test_mapped_weights_give_the_same_bits_and_are_not_used_once_they_change(
    exported, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from amogus_search import hashed_once

    wanted = ExportedClip(copied).embed_texts(TEXTS), ExportedClip(copied).embed_images(CROPS)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(hashed_once, "ALWAYS_HASHED", 0)
    monkeypatch.setattr(hashed_once, "SETTLED_SECONDS", 0.0)
    for _ in range(2):  # hashed; remembered
        export = ExportedClip(copied)
        assert np.array_equal(export.embed_texts(TEXTS), wanted[0])
        assert np.array_equal(export.embed_images(CROPS), wanted[1])
    with (copied / "text.bin").open("r+b") as file:
        file.seek(1000)
        file.write(b"other numbers")
    with pytest.raises(WeightsError, match=r"text\.bin was changed while it was in use"):
        export.embed_texts(TEXTS[:1])
    assert np.array_equal(export.embed_images(CROPS), wanted[1])
    with pytest.raises(WeightsError, match=r"text\.bin is not the file"):
        ExportedClip(copied).embed_texts(TEXTS[:1])


def test_a_folder_without_a_card_or_with_a_strange_one_is_refused(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no exported model"):
        ExportedClip(tmp_path / "nothing")
    (copied / "clip.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(WeightsError, match="another version"):
        ExportedClip(copied)
    (copied / "clip.json").write_text("{")
    with pytest.raises(WeightsError, match="cannot be read"):
        ExportedClip(copied)


def test_an_export_that_gives_other_vectors_is_no_export(exported, make_model, tmp_path: Path) -> None:
    from amogus_search.embedders.open_clip import OpenClipEmbedder
    from amogus_search.embedders.open_clip_export import compared, export_openvino

    other = OpenClipEmbedder(str(make_model("vit", seed=5)))
    with pytest.raises(AmogusError, match="other vectors"):
        compared(other, ExportedClip(exported[1]))
    with pytest.raises(UsageError, match="is there already"):
        export_openvino(other, tmp_path)


def test_the_command_writes_it_and_says_how_much_faster_it_is(exported, tmp_path: Path, capsys) -> None:
    from amogus_search.cli.main import main

    model, _, _ = exported
    out = str(tmp_path / "clip")
    assert main(["models", "export", model.name, out, "--to", "openvino"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{out}\n"
    assert "times" in printed.err
    assert f"--embedder openvino:{out}" in printed.err
    assert main(["models", "export", model.name, f"{out}.onnx", "--to", "onnx"]) == 2
    assert "--to openvino" in capsys.readouterr().err
