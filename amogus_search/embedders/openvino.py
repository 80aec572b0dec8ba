"""The embedded embedder: two small ONNX towers run by OpenVINO, and the verifier made from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.core.ids import fingerprint
from amogus_search.core.types import Pixels, Scores, Vectors
from amogus_search.embedders.vectors import unit_rows
from amogus_search.embedders.words import Verifier, WordList, check_texts, from_json
from amogus_search.errors import WeightsError
from amogus_search.runtime import CompiledModel, Precision, compile_onnx

CROP_PX = 128
_GREY = 114
_PREPROCESSING = "128 px, grey letterbox, area down and linear up"


def square_crop(image: Pixels, side_px: int = CROP_PX) -> Pixels:
    """The whole image fitted into a grey (side_px, side_px, 3) uint8 square, centred, proportions kept."""
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    fitted_wh = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    fitted = cv2.resize(np.ascontiguousarray(image), fitted_wh, interpolation=method)
    square = np.full((side_px, side_px, 3), _GREY, np.uint8)
    left, top = (side_px - fitted_wh[0]) // 2, (side_px - fitted_wh[1]) // 2
    square[top : top + fitted_wh[1], left : left + fitted_wh[0]] = fitted
    return square


class OpenVinoEmbedder:
    """Crops and texts to unit vectors; implements `ports.Embedder`.

    Each tower is compiled when it is first needed, so a text query never pays for the image tower.
    Batches have one fixed shape, filled up with zeros: a crop's vector has the same bits alone and
    in any company.

    Args:
        image_model: the image tower's ONNX file; uint8 "images" (b, 128, 128, 3) RGB -> "vectors" (b, d).
        text_model: the text tower's; int64 "words" (b, length) -> "vectors" (b, d).
        words: the word list that the text tower was trained with.
        verifier: prompt vectors for `margin`.
        name: what the user typed to get it.
        fingerprint: digest of everything that shapes its vectors.
        precision: what the CPU computes in.
        batch: crops at once.
        threads: CPU threads; 0 leaves it to OpenVINO.
    """

    def __init__(
        self,
        image_model: bytes,
        text_model: bytes,
        words: WordList,
        verifier: Verifier,
        *,
        name: str,
        fingerprint: str,
        precision: Precision = "f32",
        batch: int = 8,
        threads: int = 0,
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.dimension = int(verifier.motif.shape[1])
        self.batch = batch
        self._models = (image_model, text_model)
        self._words = words
        self._verifier = verifier
        self._precision = precision
        self._threads = threads

    def embed_images(self, images: Sequence[Pixels]) -> Vectors:
        """(n, dimension) unit vectors of RGB uint8 crops of any size, in order."""
        parts = [np.zeros((0, self.dimension), np.float32)]
        for start in range(0, len(images), self.batch):
            chunk = images[start : start + self.batch]
            squares = np.zeros((self.batch, CROP_PX, CROP_PX, 3), np.uint8)
            for place, image in zip(squares, chunk, strict=False):
                place[:] = square_crop(image)
            vectors = self._image_tower.run({"images": squares})["vectors"]
            parts.append(unit_rows(vectors[: len(chunk)], self.name))
        return np.concatenate(parts)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) unit vectors of texts, in order.

        Raises:
            UsageError: a text holds no word at all.
        """
        check_texts(texts)
        rows = [self._text_tower.run({"words": row[None]})["vectors"] for row in self._words.numbers(texts)]
        return unit_rows(np.concatenate([np.zeros((0, self.dimension), np.float32), *rows]), self.name)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words of the text that were in no caption of the training."""
        return self._words.unknown(text)

    def margin_of_vectors(self, vectors: NDArray[np.float32]) -> Scores:
        """(n,) float32 crewmate-versus-anything-else margins of vectors that this embedder made."""
        return self._verifier.margin(np.asarray(vectors, np.float32).reshape(-1, self.dimension))

    def margin(self, images: Sequence[Pixels]) -> Scores:
        """(n,) float32 margins of crops; above zero is more crewmate than photo."""
        return self.margin_of_vectors(self.embed_images(images))

    def motif_direction(self) -> NDArray[np.float32]:
        """(d,) float32 unit vector from the verifier's prompts for anything else towards those for the motif."""
        sides = (self._verifier.motif, self._verifier.other)
        towards, away = (side.mean(axis=0, dtype=np.float64) for side in sides)
        return np.asarray(unit_rows((towards - away)[None], self.name)[0], np.float32)

    @cached_property
    def _image_tower(self) -> CompiledModel:
        shape = (self.batch, CROP_PX, CROP_PX, 3)
        return compile_onnx(self._models[0], precision=self._precision, shapes={"images": shape}, threads=self._threads)

    @cached_property
    def _text_tower(self) -> CompiledModel:
        shape = (1, self._words.length)
        return compile_onnx(self._models[1], precision="f32", shapes={"words": shape}, threads=self._threads)


def load(files: Mapping[str, bytes], *, name: str, precision: Precision = "f32", threads: int = 0) -> OpenVinoEmbedder:
    """The embedder made of the contents of its three weights files.

    Args:
        files: by role: "image" and "text" are ONNX, "words" is the JSON of `embedders.words.to_json`.
        name: what the user typed to get it.
        precision: what the image tower computes in; part of the fingerprint.
        threads: CPU threads; 0 leaves it to OpenVINO.

    Raises:
        WeightsError: a role is missing, or the word list is not one.
    """
    missing = {"image", "text", "words"} - set(files)
    if missing:
        raise WeightsError(f"the embedder {name} lacks its files for {sorted(missing)}", "reinstall the package")
    words, verifier = from_json(files["words"].decode("utf-8", "replace"))
    digests = {role: hashlib.sha256(files[role]).hexdigest() for role in ("image", "text", "words")}
    return OpenVinoEmbedder(
        files["image"],
        files["text"],
        words,
        verifier,
        name=name,
        fingerprint=fingerprint({**digests, "precision": precision, "preprocessing": _PREPROCESSING}),
        precision=precision,
        threads=threads,
    )
