"""An open_clip model that was taken over into OpenVINO: two towers, a card, and no PyTorch.

A folder that `amogus models export open_clip:... --to openvino` wrote. Pictures are prepared by NumPy and Pillow. Texts
are read without PyTorch too where the model uses CLIP's own tokeniser; others need open_clip and transformers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.ids import fingerprint
from amogus_search.core.types import Pixels, Vectors
from amogus_search.embedders.clip_pixels import ClipPixels
from amogus_search.embedders.clip_text import PlainText
from amogus_search.embedders.clip_tokens import ClipTokens
from amogus_search.embedders.templates import CAPTIONS
from amogus_search.embedders.vectors import unit_rows
from amogus_search.errors import WeightsError
from amogus_search.hashed_once import CheckedFile, open_checked
from amogus_search.runtime import Precision, compile_onnx, cpu_has_bf16

CARD_NAME = "clip.json"
FORMAT = 1
IMAGES, WORDS, VECTORS = "images", "words", "vectors"
"""Names of the towers' inputs and of their output."""
MERGES_NAME, TOKENIZER_NAME = "merges.txt.gz", "tokenizer"
REST_NAME = "text.rest.bin"
"""Tensors of the text tower that `text.bin` does not hold as they are; only where there is a plan for `clip_text`."""
BATCH = 1
"""Larger batches take as much processor time a crop here, and a batch that is not full is paid for all the same."""
_HINT = "write it again with `amogus models export open_clip:... OUT --to openvino`"
Given = TypeVar("Given")
_Tokens: TypeAlias = Callable[[Sequence[str]], NDArray[np.int64]]


class ExportedClip:
    """Crops and texts to unit vectors; implements `ports.Embedder`.

    A tower is compared with the card's digest (see `hashed_once`) and compiled when it is first needed: a text needs no
    image tower, and pictures need none of texts. Batches have one fixed shape,
    so that a crop's vector has the same bits alone and in any company.

    Args:
        folder: with a `clip.json`.
        threads: CPU threads of OpenVINO; 0 leaves it to that. Texts in NumPy take what its BLAS takes.

    Attributes:
        precision: that the image tower computes in: bf16 where it was exported for that and this CPU computes in it.

    Raises:
        WeightsError: it is not such a folder, or damaged.
    """

    templates = CAPTIONS

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        self.folder = folder.absolute()
        self._threads = threads
        card = read_card(self.folder)
        self.name = f"openvino:{self.folder}"
        self.source: str = card["source"]
        self.dimension: int = card["dimension"]
        self.batch = BATCH
        self._digests: Mapping[str, str] = card["files"]
        self._text: Mapping[str, Any] = card["tokens"]
        self._plan: Mapping[str, Any] | None = card.get("plain_text")
        self._pixels = ClipPixels.of(card["pixels"])
        # By content, so that the folder may be moved, and so that a changed file is another model.
        self.precision: Precision = "bf16" if card.get("precision") == "bf16" and cpu_has_bf16() else "f32"
        answers = json.dumps(card["answers"], sort_keys=True)
        self.fingerprint = fingerprint({"card": answers, "precision": self.precision})

    def embed_images(self, images: Sequence[Pixels]) -> Vectors:
        """(n, dimension) unit vectors of RGB uint8 crops of any size, in order."""
        parts = [np.zeros((0, self.dimension), np.float32)]
        for start in range(0, len(images), self.batch):
            chunk = images[start : start + self.batch]
            prepared = np.zeros((self.batch, 3, *self._pixels.size_hw), np.float32)
            for place, image in zip(prepared, chunk, strict=False):
                place[:] = self._pixels(image)
            vectors = self._image_tower.run({IMAGES: prepared})
            parts.append(unit_rows(vectors[: len(chunk)], self.name))
        return np.concatenate(parts)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) unit vectors of texts, in order.

        Raises:
            MissingExtraError: the model's tokeniser needs a library that is not installed.
        """
        if self._plan is not None:
            return unit_rows(self._plain_text.run(self._tokens(texts)), self.name)
        rows = [self._text_tower.run({WORDS: self._tokens([text])}) for text in texts]
        return unit_rows(np.concatenate([np.zeros((0, self.dimension), np.float32), *rows]), self.name)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """None: these models read any text."""
        return ()

    @cached_property
    def _image_tower(self) -> _Tower[Mapping[str, NDArray[Any]]]:
        return self._tower("image", {IMAGES: (self.batch, 3, *self._pixels.size_hw)}, self.precision)

    @cached_property
    def _text_tower(self) -> _Tower[Mapping[str, NDArray[Any]]]:
        return self._tower("text", {WORDS: (1, int(self._text["length"]))}, "f32")

    @cached_property
    def _plain_text(self) -> _Tower[NDArray[np.int64]]:
        files = [self._file(name) for name in ("text.bin", REST_NAME)]
        return _Tower(PlainText(self._plan or {}, [file.data for file in files]), files)

    def _tower(
        self, role: str, shapes: Mapping[str, Sequence[int]], precision: Precision
    ) -> _Tower[Mapping[str, NDArray[Any]]]:
        model, constants = (self._file(f"{role}{suffix}") for suffix in (".xml", ".bin"))
        compiled = compile_onnx(
            model.data.tobytes(), precision=precision, shapes=shapes, threads=self._threads, constants=constants.data
        )
        return _Tower(lambda inputs: compiled.run(inputs)[VECTORS], [constants])

    @cached_property
    def _tokens(self) -> _Tokens:
        if self._text["kind"] == "clip":
            return ClipTokens(self._read(MERGES_NAME), self._text["length"], self._text["cleaning"])
        from amogus_search.embedders.open_clip import open_tokenizer

        for name in self._digests:
            if name.startswith(f"{TOKENIZER_NAME}/"):
                self._read(name)
        folder = str(self.folder / TOKENIZER_NAME)
        theirs = open_tokenizer(folder, int(self._text["length"]), self._text["options"])
        return lambda texts: np.asarray(theirs(list(texts)).numpy(), np.int64)

    def _read(self, name: str) -> bytes:
        return self._file(name).data.tobytes()

    def _file(self, name: str) -> CheckedFile:
        """A file's bytes, if they are those that the card describes."""
        path = self.folder / name
        try:
            file = open_checked(path, str(self._digests.get(name)))
        except OSError as error:
            raise WeightsError(f"{path} cannot be read: {error.strerror}", _HINT) from None
        if file is None:
            raise WeightsError(f"{path} is not the file that {CARD_NAME} describes", _HINT)
        return file


class _Tower(Generic[Given]):
    """A tower ready to run, and the files that it may still be reading its constants from."""

    def __init__(self, answer: Callable[[Given], NDArray[np.float32]], files: Sequence[CheckedFile]) -> None:
        self._answer = answer
        self._files = files

    def run(self, given: Given) -> NDArray[np.float32]:
        """The vectors.

        Raises:
            WeightsError: somebody has written to a file since it was compared with the card.
        """
        vectors = self._answer(given)
        for file in self._files:
            if not file.unchanged():
                raise WeightsError(f"{file.path} was changed while it was in use", _HINT)
        return vectors


def read_card(folder: Path) -> dict[str, Any]:
    """What the folder says of itself.

    Raises:
        WeightsError: there is no card, or it is of another form.
    """
    path = folder / CARD_NAME
    try:
        card = json.loads(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"{folder} holds no exported model: no {CARD_NAME} ({error.strerror})", _HINT) from None
    except ValueError:
        raise WeightsError(f"{path} cannot be read", _HINT) from None
    wanted = {"format", "source", "dimension", "pixels", "tokens", "files", "answers"}
    if not isinstance(card, dict) or not wanted <= set(card) or card["format"] != FORMAT:
        raise WeightsError(f"{path} is of another version", _HINT)
    return card
