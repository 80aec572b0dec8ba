import json
from pathlib import Path

import numpy as np
import pytest

from amogus_search.embedders.open_clip import OpenClipEmbedder
from amogus_search.errors import UsageError

CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 48, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
CROPS = [np.random.default_rng(7).integers(0, 256, (40 + 9 * i, 61, 3), dtype=np.uint8) for i in range(5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small randomly initialised model with its configuration, as people keep their own."""
    open_clip = pytest.importorskip("open_clip")
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    folder = tmp_path_factory.mktemp("model")
    (folder / "tiny-clip-for-tests.json").write_text(json.dumps(CONFIG))
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
    open_clip.add_model_config(folder / "tiny-clip-for-tests.json")
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-clip-for-tests")
    safetensors.save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    torch.save(model.state_dict(), folder / "pickled.pt")
    return folder


@pytest.fixture(scope="module")
def embedder(folder: Path) -> OpenClipEmbedder:
    return OpenClipEmbedder(f"local-dir:{folder}")


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore")
class TestALocalModel:
    def test_crops_get_the_vectors_that_open_clip_itself_computes(
        self, folder: Path, embedder: OpenClipEmbedder
    ) -> None:
        import open_clip
        import torch
        from PIL import Image

        model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
        with torch.inference_mode():
            theirs = (
                model.eval()
                .encode_image(torch.stack([preprocess(Image.fromarray(crop)) for crop in CROPS]), normalize=True)
                .numpy()
            )
        assert ((embedder.embed_images(CROPS) * theirs).sum(axis=1) > 0.9999).all()

    def test_texts_get_the_vectors_that_open_clip_itself_computes(
        self, folder: Path, embedder: OpenClipEmbedder
    ) -> None:
        import open_clip
        import torch

        texts = ["a red amogus", "a photo of a bin"]
        model, _ = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
        with torch.inference_mode():
            theirs = model.eval().encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(texts), normalize=True)
        assert ((embedder.embed_texts(texts) * theirs.numpy()).sum(axis=1) > 0.9999).all()

    def test_a_vector_has_the_same_bits_alone_and_in_company(self, embedder: OpenClipEmbedder) -> None:
        together = embedder.embed_images(CROPS)
        assert np.array_equal(embedder.embed_images(CROPS[3:4])[0], together[3])

    def test_nothing_in_gives_nothing_out(self, embedder: OpenClipEmbedder) -> None:
        assert embedder.embed_images([]).shape == (0, 32)
        assert embedder.embed_texts([]).shape == (0, 32)

    def test_a_checkpoint_file_is_the_same_model_whatever_its_format(self, folder: Path) -> None:
        """The fingerprint decides whether an index can be continued; repacking weights must not change it."""
        pickled = OpenClipEmbedder(f"tiny-clip-for-tests/{folder / 'pickled.pt'}")
        safe = OpenClipEmbedder(f"tiny-clip-for-tests/{folder / 'open_clip_model.safetensors'}")
        assert pickled.fingerprint == safe.fingerprint
        assert np.array_equal(pickled.embed_images(CROPS[:1]), safe.embed_images(CROPS[:1]))

    def test_other_weights_have_another_fingerprint(self, folder: Path, embedder: OpenClipEmbedder) -> None:
        import open_clip
        import torch

        torch.manual_seed(1)
        torch.save(open_clip.create_model("tiny-clip-for-tests").state_dict(), folder / "other.pt")
        other = OpenClipEmbedder(f"tiny-clip-for-tests/{folder / 'other.pt'}")
        assert other.fingerprint != embedder.fingerprint

    def test_a_missing_file_a_strange_model_and_a_strange_tag_are_told_apart(self, folder: Path) -> None:
        with pytest.raises(UsageError, match="no checkpoint file"):
            OpenClipEmbedder(f"tiny-clip-for-tests/{folder / 'missing.pt'}")
        with pytest.raises(UsageError, match="no model"):
            OpenClipEmbedder(f"ViT-Z-99/{folder / 'pickled.pt'}")
        with pytest.raises(UsageError, match="no pretrained tag"):
            OpenClipEmbedder("ViT-B-32/strange_tag")

    def test_it_reads_any_words(self, embedder: OpenClipEmbedder) -> None:
        assert embedder.unknown_words("a blurple snark") == ()


@pytest.mark.parametrize("argument", ["", "ViT-B-32", "/x"])
def test_a_name_without_weights_is_refused_with_an_example(argument: str) -> None:
    """A model without weights would index a whole library with noise."""
    with pytest.raises(UsageError, match="names no weights"):
        OpenClipEmbedder(argument)
