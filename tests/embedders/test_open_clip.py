from __future__ import annotations

import json
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from amogus_search.embedders.open_clip import OpenClipEmbedder
from amogus_search.errors import AmogusError, MissingExtraError, UsageError

CROPS = [np.random.default_rng(7).integers(0, 256, (40 + 19 * i, 61, 3), dtype=np.uint8) for i in range(5)]
CROPS.append(np.full((9, 30, 3), (200, 20, 30), np.uint8))
TEXTS = ["a red amogus", "A photo of a bin!", "", "wörds & “quotes” 3", "long " * 60]

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def vit(make_model) -> Path:
    return make_model("vit")


@pytest.fixture(scope="module")
def embedder(vit: Path) -> OpenClipEmbedder:
    return OpenClipEmbedder(f"local-dir:{vit}")


@pytest.fixture(scope="module")
def architecture(vit: Path) -> str:
    """The same model as an architecture that open_clip knows by name."""
    import open_clip

    config = json.loads((vit / "open_clip_config.json").read_text())["model_cfg"]
    (vit / "tiny-clip-for-tests.json").write_text(json.dumps(config))
    open_clip.add_model_config(vit / "tiny-clip-for-tests.json")
    return "tiny-clip-for-tests"


@pytest.mark.heavy
class TestEveryArchitecture:
    def test_crops_and_texts_get_the_vectors_that_open_clip_itself_computes(self, model_folder: Path) -> None:
        """Own sizes, ways of fitting a picture into them, tokenisers and tidying: all of it is the model's."""
        import open_clip
        import torch
        from PIL import Image

        embedder = OpenClipEmbedder(str(model_folder))
        model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{model_folder}")
        tokenizer = open_clip.get_tokenizer(f"local-dir:{model_folder}")
        with torch.inference_mode():
            images = torch.stack([preprocess(Image.fromarray(crop)) for crop in CROPS])
            of_crops = model.eval().encode_image(images, normalize=True).numpy()
            of_texts = model.encode_text(tokenizer(TEXTS), normalize=True).numpy()
        assert ((embedder.embed_images(CROPS) * of_crops).sum(axis=1) >= 0.9999).all()
        assert ((embedder.embed_texts(TEXTS) * of_texts).sum(axis=1) >= 0.9999).all()
        assert np.abs(embedder.embed_images(CROPS) - of_crops).max() < 1e-4, "alike for a reason"

    def test_a_vector_has_the_same_bits_alone_and_in_company(self, model_folder: Path) -> None:
        embedder = OpenClipEmbedder(str(model_folder))
        together = embedder.embed_images(CROPS)
        assert np.array_equal(embedder.embed_images(CROPS[3:4])[0], together[3])
        assert embedder.embed_images([]).shape == embedder.embed_texts([]).shape == (0, embedder.dimension)


@pytest.mark.heavy
class TestNames:
    def test_a_folder_a_file_in_it_and_an_architecture_with_a_file_are_one_model(
        self, vit: Path, architecture: str, embedder: OpenClipEmbedder, monkeypatch
    ) -> None:
        """The fingerprint decides whether an index can be continued; the way to the files must not."""
        monkeypatch.chdir(vit.parent)
        names = (
            str(vit),
            vit.name,
            f"{vit.name}/open_clip_model.safetensors",
            f"{architecture}/{vit / 'open_clip_model.safetensors'}",
        )
        for name in names:
            other = OpenClipEmbedder(name)
            assert other.fingerprint == embedder.fingerprint
            assert str(vit) in other.name, "an index remembers the name, and must find the files from anywhere"
            assert OpenClipEmbedder(other.name.removeprefix("open_clip:")).name == other.name

    def test_pickled_weights_are_the_same_model(self, vit: Path, architecture: str, tmp_path: Path) -> None:
        import torch
        from safetensors.torch import load_file

        torch.save(load_file(vit / "open_clip_model.safetensors"), tmp_path / "pickled.pt")
        pickled = OpenClipEmbedder(f"{architecture}/{tmp_path / 'pickled.pt'}")
        assert pickled.fingerprint == OpenClipEmbedder(str(vit)).fingerprint

    def test_safetensors_come_before_pickles_whatever_they_are_called(self, vit: Path, tmp_path: Path) -> None:
        (tmp_path / "open_clip_config.json").write_bytes((vit / "open_clip_config.json").read_bytes())
        (tmp_path / "zz.safetensors").write_bytes((vit / "open_clip_model.safetensors").read_bytes())
        (tmp_path / "open_clip_pytorch_model.bin").write_bytes(b"never read")
        assert OpenClipEmbedder(str(tmp_path)).fingerprint == OpenClipEmbedder(str(vit)).fingerprint

    def test_other_weights_or_pixels_have_another_fingerprint(
        self, vit: Path, make_model, tmp_path: Path, embedder: OpenClipEmbedder
    ) -> None:
        assert OpenClipEmbedder(str(make_model("vit", seed=1))).fingerprint != embedder.fingerprint
        config = json.loads((vit / "open_clip_config.json").read_text())
        config["preprocess_cfg"] = {"resize_mode": "squash"}
        (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
        (tmp_path / "model.safetensors").write_bytes((vit / "open_clip_model.safetensors").read_bytes())
        assert OpenClipEmbedder(str(tmp_path)).fingerprint != embedder.fingerprint

    def test_missing_files_strange_models_and_strange_tags_are_told_apart(self, vit: Path, architecture: str) -> None:
        with pytest.raises(UsageError, match="no checkpoint file"):
            OpenClipEmbedder(f"{architecture}/{vit / 'missing.pt'}")
        with pytest.raises(UsageError, match="no model"):
            OpenClipEmbedder(f"ViT-Z-99/{vit / 'open_clip_model.safetensors'}")
        with pytest.raises(UsageError, match="no pretrained tag"):
            OpenClipEmbedder("ViT-B-32/strange_tag")
        with pytest.raises(UsageError, match="has no open_clip_config"):
            OpenClipEmbedder(f"local-dir:{vit.parent}")

    def test_a_model_without_weights_is_answered_with_its_tags(self) -> None:
        with pytest.raises(UsageError, match="laion2b_s34b_b79k"):
            OpenClipEmbedder("ViT-B-32")

    def test_weights_of_another_shape_are_refused(self, vit: Path, make_model, architecture: str) -> None:
        other = make_model("resnet") / "open_clip_model.safetensors"
        with pytest.raises(AmogusError, match="cannot load"):
            OpenClipEmbedder(f"{architecture}/{other}")


class Canary:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.heavy
class TestNothingIsRun:
    @pytest.mark.parametrize("protocol", [2, 5])
    @pytest.mark.parametrize("suffix", [".pt", ".bin", ".pth"])
    def test_a_pickle_with_code_in_it_is_refused_before_it_runs(
        self, vit: Path, architecture: str, tmp_path: Path, suffix: str, protocol: int
    ) -> None:
        canary, checkpoint = tmp_path / "canary", tmp_path / f"model{suffix}"
        checkpoint.write_bytes(pickle.dumps({"state_dict": Canary(canary)}, protocol=protocol))
        (tmp_path / "open_clip_config.json").write_bytes((vit / "open_clip_config.json").read_bytes())
        for name in (f"{architecture}/{checkpoint}", str(checkpoint), str(tmp_path)):
            with pytest.raises(AmogusError, match=r"could run code|cannot load"):
                OpenClipEmbedder(name)
        assert not canary.exists()

    def test_a_torch_archive_with_code_in_it_is_refused_before_it_runs(self, architecture: str, tmp_path: Path) -> None:
        import torch

        torch.save({"a": torch.zeros(2), "b": Canary(tmp_path / "canary")}, tmp_path / "model.pt")
        with pytest.raises(AmogusError, match="could run code"):
            OpenClipEmbedder(f"{architecture}/{tmp_path / 'model.pt'}")
        assert not (tmp_path / "canary").exists()

    def test_a_program_in_place_of_weights_is_refused(self, architecture: str, tmp_path: Path) -> None:
        import torch

        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "model.pt")
        with pytest.raises(AmogusError, match="program"):
            OpenClipEmbedder(f"{architecture}/{tmp_path / 'model.pt'}")

    def test_a_tokeniser_that_is_code_is_refused(self, vit: Path, tmp_path: Path) -> None:
        config = json.loads((vit / "open_clip_config.json").read_text())
        config["model_cfg"]["text_cfg"] |= {"hf_tokenizer_name": "x", "tokenizer_kwargs": {"trust_remote_code": True}}
        (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
        (tmp_path / "model.safetensors").write_bytes((vit / "open_clip_model.safetensors").read_bytes())
        with pytest.raises(UsageError, match="never run"):
            OpenClipEmbedder(str(tmp_path))


@pytest.mark.heavy
class TestATokeniserOfItsOwn:
    def test_it_is_read_from_the_folder_of_the_model(self, own_tokenizer: Path, transformers) -> None:
        import open_clip
        import torch

        (own_tokenizer / "tokenizer.json").write_text("7")
        embedder = OpenClipEmbedder(str(own_tokenizer))
        model, _ = open_clip.create_model_from_pretrained(f"local-dir:{own_tokenizer}")
        tokenizer = open_clip.get_tokenizer(f"local-dir:{own_tokenizer}")
        assert type(tokenizer).__name__ == "HFTokenizer"
        with torch.inference_mode():
            theirs = model.eval().encode_text(tokenizer(TEXTS), normalize=True).numpy()
        assert ((embedder.embed_texts(TEXTS) * theirs).sum(axis=1) >= 0.9999).all()
        (own_tokenizer / "tokenizer.json").write_text("8")
        assert OpenClipEmbedder(str(own_tokenizer)).fingerprint != embedder.fingerprint

    def test_without_its_files_the_way_out_is_named(self, own_tokenizer: Path, transformers) -> None:
        (own_tokenizer / "tokenizer.json").unlink(missing_ok=True)
        with pytest.raises(UsageError, match="somebody/letters"):
            OpenClipEmbedder(str(own_tokenizer))

    def test_without_transformers_the_missing_library_is_named(self, own_tokenizer: Path, monkeypatch) -> None:
        monkeypatch.setitem(sys.modules, "transformers", None)
        with pytest.raises(MissingExtraError, match="pip install transformers"):
            OpenClipEmbedder(str(own_tokenizer))


@pytest.mark.heavy
def test_a_strip_of_one_pixel_does_not_take_all_memory(embedder: OpenClipEmbedder) -> None:
    """Fitted by its short side it would become a picture of 48 by two million pixels."""
    assert embedder.embed_images([np.zeros((1, 200_000, 3), np.uint8)]).shape == (1, 32)


@pytest.mark.heavy
def test_it_reads_any_words(embedder: OpenClipEmbedder) -> None:
    assert embedder.unknown_words("a blurple snark") == ()


@pytest.mark.parametrize("argument", ["", "/x"])
def test_a_name_without_weights_is_refused_with_an_example(argument: str) -> None:
    """A model without weights would index a whole library with noise."""
    with pytest.raises(UsageError, match=r"names no weights.*hf-hub:"):
        OpenClipEmbedder(argument)
