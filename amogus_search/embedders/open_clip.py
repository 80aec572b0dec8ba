"""Any open_clip model as an embedder; the only module that imports open_clip."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from amogus_search.core.ids import fingerprint
from amogus_search.core.types import Pixels, Vectors
from amogus_search.embedders.vectors import unit_rows
from amogus_search.errors import AmogusError, MissingExtraError, UsageError

_SCHEMES = ("hf-hub:", "local-dir:")
_GPU_BATCH = 32


class OpenClipEmbedder:
    """Crops and texts to unit vectors by an open_clip model; implements `ports.Embedder`.

    The model's own preprocessing and tokeniser are used. Nothing is downloaded unless the name asks for
    it: by a pretrained tag or by `hf-hub:`.

    Args:
        argument: `MODEL/TAG` (as `ViT-B-32/laion2b_s34b_b79k`), `MODEL/PATH_OF_CHECKPOINT`, `hf-hub:ORG/REPO`,
            or `local-dir:FOLDER` with an `open_clip_config.json`. Pickled checkpoints are read without
            running code in them; safetensors files are preferable.

    Raises:
        MissingExtraError: open_clip or torch is not installed.
        UsageError: there is no such model, tag or file.
    """

    templates = ("a photo of a {}.", "a picture of a {}.", "a drawing of a {}.", "something that looks like a {}.")
    """Sentences that a short query is put into; a bare noun is no caption, and captions are what these models know."""

    def __init__(self, argument: str) -> None:
        self.name = f"open_clip:{argument}"
        model_name, pretrained = _parsed(argument)
        open_clip, self._torch = _libraries(offline=not argument.startswith("hf-hub:") and not _is_tag(pretrained))
        self._device = "cuda" if self._torch.cuda.is_available() else "cpu"
        # One crop at a time on a CPU: larger batches hardly pay there, and a vector never depends on its company.
        self.batch = _GPU_BATCH if self._device == "cuda" else 1
        self._model, self._preprocess = _load(open_clip, model_name, pretrained, self._device)
        self._tokenizer = open_clip.get_tokenizer(model_name)
        self.dimension = int(self._embed_tokens([""]).shape[1])
        self.fingerprint = fingerprint(
            {"model": model_name, "weights": _digest(self._model, self._torch), "preprocess": repr(self._preprocess)}
        )

    def embed_images(self, images: Sequence[Pixels]) -> Vectors:
        """(n, dimension) unit vectors of RGB uint8 crops of any size, in order."""
        from PIL import Image

        parts = [np.zeros((0, self.dimension), np.float32)]
        for start in range(0, len(images), self.batch):
            chunk = [self._preprocess(Image.fromarray(image)) for image in images[start : start + self.batch]]
            # filled up to one fixed size, so that the same kernels run whatever is in the batch
            filled = chunk + [self._torch.zeros_like(chunk[0])] * (self.batch - len(chunk))
            with self._torch.inference_mode():
                raw = self._model.encode_image(self._torch.stack(filled).to(self._device))
            parts.append(unit_rows(raw[: len(chunk)].float().cpu().numpy(), self.name))
        return np.concatenate(parts)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) unit vectors of texts, in order."""
        rows = [unit_rows(self._embed_tokens([text]), self.name) for text in texts]
        return np.concatenate([np.zeros((0, self.dimension), np.float32), *rows])

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """None: these models read any text."""
        return ()

    def _embed_tokens(self, texts: list[str]) -> Vectors:
        with self._torch.inference_mode():
            raw = self._model.encode_text(self._tokenizer(texts).to(self._device))
        return np.asarray(raw.float().cpu().numpy(), np.float32)


def _parsed(argument: str) -> tuple[str, str | None]:
    """Model name and pretrained tag or path, as open_clip wants them."""
    if argument.startswith(_SCHEMES):
        return argument, None
    model_name, _, pretrained = argument.partition("/")
    if not model_name or not pretrained:
        raise UsageError(
            f"open_clip:{argument} names no weights",
            "write open_clip:MODEL/TAG, as open_clip:ViT-B-32/laion2b_s34b_b79k, or open_clip:MODEL/CHECKPOINT_FILE",
        )
    return model_name, pretrained


def _is_tag(pretrained: str | None) -> bool:
    """Whether the weights are named by a tag, which asks for a download, and not by a file or folder here."""
    return pretrained is not None and "/" not in pretrained and not Path(pretrained).exists()


def _libraries(offline: bool) -> tuple[Any, Any]:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if offline:  # a local model must not fetch its tokeniser or base weights behind the user's back
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import open_clip
        import torch
    except ImportError as error:
        raise MissingExtraError(
            f"open_clip models need open_clip and torch ({error})", 'pip install "amogus_search[clip]"'
        ) from error
    return open_clip, torch


def _load(open_clip: Any, model_name: str, pretrained: str | None, device: str) -> tuple[Any, Any]:
    """The model in evaluation mode and its preprocessing."""
    if pretrained is not None and not _is_tag(pretrained) and not Path(pretrained).is_file():
        raise UsageError(
            f"there is no checkpoint file {pretrained}", "give its path after the model's name and a slash"
        )
    try:
        model, preprocess = open_clip.create_model_from_pretrained(
            model_name, pretrained=pretrained, device=device, precision="fp32", weights_only=True
        )
    except (RuntimeError, ValueError, FileNotFoundError) as error:
        raise UsageError(*_explained(open_clip, model_name, pretrained, error)) from error
    except Exception as error:  # unpickling, safetensors and download errors share no base class
        raise AmogusError(f"open_clip cannot load {model_name}: {error}", "check the checkpoint file") from error
    return model.eval(), preprocess


def _explained(open_clip: Any, model_name: str, pretrained: str | None, error: Exception) -> tuple[str, str]:
    """Problem and hint for what open_clip refused."""
    if model_name.startswith(_SCHEMES):
        return f"open_clip cannot load {model_name}: {error}", "check the name and the files"
    tags = open_clip.list_pretrained_tags_by_model(model_name)
    if model_name not in open_clip.list_models():
        return f"open_clip has no model {model_name!r}", "python -c 'import open_clip; print(open_clip.list_models())'"
    if pretrained is not None and _is_tag(pretrained) and pretrained not in tags:
        return f"{model_name} has no pretrained tag {pretrained!r}", f"there are: {', '.join(tags) or 'none'}"
    return f"open_clip cannot load {model_name}/{pretrained}: {error}", "check that the checkpoint fits the model"


def _digest(model: Any, torch: Any) -> str:
    """Digest of all tensors of the model by name, whatever file they came in."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}:".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
