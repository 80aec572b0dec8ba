"""Any open_clip model as an embedder; the only module that imports open_clip, and torch for it."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.ids import fingerprint
from amogus_search.core.types import Pixels, Vectors
from amogus_search.embedders.clip_pixels import middle
from amogus_search.embedders.clip_text import tensor_names
from amogus_search.embedders.clip_tokens import CLEANINGS
from amogus_search.embedders.open_clip_loading import (
    digest_of,
    load_model,
    load_tokenizer,
    model_config,
    needs_transformers,
)
from amogus_search.embedders.open_clip_names import NoWeightsError, parsed
from amogus_search.embedders.templates import CAPTIONS
from amogus_search.embedders.vectors import unit_rows
from amogus_search.errors import MissingExtraError, UsageError

_GPU_BATCH = 32
_CPU_BATCH = 1
"""In fours, ViT-B-32 takes 29 % less processor time a crop, RN50 3 %; but the last bits of a vector then depend on its
place in the batch, and an index that was stopped and resumed would not be the one that was not."""
_PROBES = ("a red amogus", "Two of them, it's 2021?! #naïve")
"""Texts whose tokens tell one tokeniser from another."""


class OpenClipEmbedder:
    """Crops and texts to unit vectors by an open_clip model; implements `ports.Embedder`.

    The model's own preprocessing and tokeniser are used. Nothing is downloaded unless the name asks for
    it: by a pretrained tag or by `hf-hub:`. No code in a checkpoint or in a configuration is ever run.

    Args:
        argument: `MODEL/TAG` (as `ViT-B-32/laion2b_s34b_b79k`), `MODEL/PATH_OF_CHECKPOINT`, `hf-hub:ORG/REPO`,
            a folder with an `open_clip_config.json` (also as `local-dir:FOLDER`), or a checkpoint in such a folder.
            Where there are several files, safetensors come before pickles, which are read as data only.

    Raises:
        MissingExtraError: open_clip or torch is not installed, or what the model's tokeniser needs.
        UsageError: there is no such model, tag or file, or it wants to run code of its own.
        AmogusError: the weights cannot be read or do not fit.
    """

    templates = CAPTIONS

    def __init__(self, argument: str) -> None:
        try:
            self._source = parsed(argument)
        except NoWeightsError as error:
            raise _with_tags(error) from None
        self.name = f"open_clip:{self._source.text}"
        open_clip, self._torch = _libraries(offline=self._source.is_local)
        self._device = "cuda" if self._torch.cuda.is_available() else "cpu"
        self.batch = _GPU_BATCH if self._device == "cuda" else _CPU_BATCH
        config = model_config(open_clip, self._source)
        self._model, self._preprocess = load_model(open_clip, self._source, self._device)
        self._tokenizer = load_tokenizer(open_clip, self._source, config)
        self.preprocessing: dict[str, Any] = dict(self._model.visual.preprocess_cfg)
        self.dimension = int(self.raw_texts(self.tokens([""])).shape[1])
        described = {key: value for key, value in config.items() if "pretrained" not in key}
        self.fingerprint = fingerprint(
            {
                "model": json.dumps(described, sort_keys=True, default=str),
                "weights": digest_of(self._model, self._torch),
                "preprocessing": json.dumps(self.preprocessing, sort_keys=True, default=list),
                "tokens": hashlib.sha256(self.tokens(_PROBES).astype("<i8").tobytes()).hexdigest(),
            }
        )

    def embed_images(self, images: Sequence[Pixels]) -> Vectors:
        """(n, dimension) unit vectors of RGB uint8 crops of any size, in order."""
        from PIL import Image

        parts = [np.zeros((0, self.dimension), np.float32)]
        for start in range(0, len(images), self.batch):
            some = [np.ascontiguousarray(middle(image)) for image in images[start : start + self.batch]]
            chunk = [self._preprocess(Image.fromarray(image)) for image in some]
            # filled up to one fixed size, so that the same kernels run whatever is in the batch
            filled = chunk + [self._torch.zeros_like(chunk[0])] * (self.batch - len(chunk))
            with self._torch.inference_mode():
                raw = self._model.encode_image(self._torch.stack(filled).to(self._device))
            parts.append(unit_rows(raw[: len(chunk)].float().cpu().numpy(), self.name))
        return np.concatenate(parts)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) unit vectors of texts, in order."""
        rows = [unit_rows(self.raw_texts(self.tokens([text])), self.name) for text in texts]
        return np.concatenate([np.zeros((0, self.dimension), np.float32), *rows])

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """None: these models read any text."""
        return ()

    def tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(n, length) int64 token numbers, as the text tower takes them."""
        return np.asarray(self._tokenizer(list(texts)).cpu().numpy(), np.int64)

    def raw_texts(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, dimension) float32 answers of the text tower."""
        with self._torch.inference_mode():
            raw = self._model.encode_text(self._torch.from_numpy(tokens).to(self._device))
        return np.asarray(raw.float().cpu().numpy(), np.float32)

    def text_tensors(self) -> tuple[dict[str, NDArray[np.float32]], int, int] | None:
        """The text tower's tensors by open_clip's names, its heads and its layers; None: it is not of CLIP's kind."""
        tower = getattr(self._model, "text", self._model)
        blocks: Any = getattr(getattr(tower, "transformer", None), "resblocks", ())
        parts = ("token_embedding.", "positional_embedding", "transformer.", "ln_final.", "text_projection", "cls_emb")
        tensors = {
            name: np.ascontiguousarray(tensor.detach().float().cpu().numpy(), "<f4")
            for name, tensor in tower.state_dict().items()
            if name.startswith(parts)
        }
        if not len(blocks) or set(tensors) != set(tensor_names(len(blocks))):
            return None
        return tensors, int(blocks[0].attn.num_heads), len(blocks)

    def differentiable(self) -> tuple[Callable[[Any], Any], int]:
        """The image tower with derivatives, on the CPU, and the side of the squares that it takes.

        It maps (n, 3, side, side) float32 tensors of RGB in 0..1 to (n, dimension) vectors of unit length.
        """
        torch = self._torch
        height, width = _height_width(self.preprocessing["size"])
        mean, spread = (
            torch.tensor(self.preprocessing[name], dtype=torch.float32).reshape(1, 3, 1, 1) for name in ("mean", "std")
        )
        model = self._model.to("cpu").requires_grad_(False)

        def vectors(squares: Any) -> Any:
            raw = model.encode_image((squares - mean) / spread).float()
            return raw / raw.norm(dim=1, keepdim=True)

        return vectors, min(height, width)

    def tokenizer(self) -> Any:
        """open_clip's tokeniser of this model."""
        return self._tokenizer

    @contextmanager
    def towers(self) -> Iterator[tuple[tuple[Any, Any], tuple[Any, Any]]]:
        """(module, example input) of the image tower and of the text tower, in a state in which they can be traced."""
        torch = self._torch
        height, width = _height_width(self.preprocessing["size"])
        images = torch.zeros(2, 3, height, width)
        words = torch.from_numpy(self.tokens(_PROBES))
        fast = torch.backends.mha.get_fastpath_enabled()
        # The fast path of attention is one opaque operation, which no other runtime knows.
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield _towers(torch, self._model.to("cpu"), images, words)
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
            self._model.to(self._device)


def open_tokenizer(folder: str, length: int, options: Mapping[str, Any]) -> Any:
    """A tokeniser of the kind that transformers reads, from a folder that `save_pretrained` wrote.

    Raises:
        MissingExtraError: open_clip, torch or transformers is not installed.
    """
    open_clip, _ = _libraries(offline=True)
    try:
        return open_clip.tokenizer.HFTokenizer(folder, context_length=length, **options)
    except ImportError as error:
        raise needs_transformers(folder, error) from error


def tokenizer_options(tokenizer: Any) -> dict[str, Any]:
    """What `open_tokenizer` must be told to read texts as this tokeniser of transformers does."""
    (cleaning,) = [
        name for name in CLEANINGS if tokenizer.clean_fn is _libraries(offline=True)[0].tokenizer.get_clean_fn(name)
    ]
    options = {"clean": cleaning, "strip_sep_token": bool(tokenizer.strip_sep_token)}
    return options | ({"tokenizer_mode": tokenizer.tokenizer_mode} if tokenizer.tokenizer_mode else {})


def merges_table() -> bytes:
    """The gzipped table of merges of open_clip's default tokeniser."""
    open_clip, _ = _libraries(offline=True)
    with open(open_clip.tokenizer.default_bpe(), "rb") as file:
        return file.read()


def libraries() -> tuple[Any, Any]:
    """open_clip and torch, told not to use the network; raises MissingExtraError."""
    return _libraries(offline=True)


def versions() -> dict[str, str]:
    """Of the libraries that the model runs in."""
    open_clip, torch = _libraries(offline=True)
    return {"open_clip": str(open_clip.__version__), "torch": str(torch.__version__)}


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


def _with_tags(error: NoWeightsError) -> UsageError:
    """The error with the model's own tags, where open_clip is there to list them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            open_clip, _ = _libraries(offline=True)
    except MissingExtraError:
        return error
    tags = open_clip.list_pretrained_tags_by_model(error.model) if error.model else []
    if not tags:
        return error
    return UsageError(error.problem, f"add a slash and a checkpoint file, or one of its tags: {', '.join(tags)}")


def _towers(torch: Any, model: Any, images: Any, words: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Modules with one argument and one answer each."""

    class Images(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, images: Any) -> Any:
            return self.model.encode_image(images)

    class Words(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, words: Any) -> Any:
            return self.model.encode_text(words)

    return (Images().eval(), images), (Words().eval(), words)


def _height_width(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[-1]))
