"""What the models are shown while pictures are indexed, kept in a file, to be shown to them again by itself."""

from __future__ import annotations

import mmap
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.pipeline.index import Models
from amogus_search.ports import Detector

_Array = tuple[int, tuple[int, ...]]
"""Where an array's bytes begin, and its shape."""


class ModelBatches:
    """Every batch of tiles and crops, in the order in which the models saw them; a context manager.

    tiles, crops: how many there are, padding of batches not counted
    """

    def __init__(self) -> None:
        self.tiles = self.crops = 0
        self._file = tempfile.TemporaryFile(prefix="amogus-batches-")  # noqa: SIM115 - closed by the context manager
        self._batches: list[tuple[str, list[_Array]]] = []

    def __enter__(self) -> ModelBatches:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def recording(self, models: Models) -> Models:
        """The same models; what they are shown is kept."""
        detector = _Shown(models.detector, ("detect_tiles", "begin"), self._keep_tiles)
        embedder = models.embedder and _Shown(models.embedder, ("embed_images",), self._keep_crops("embedder"))
        verifier = models.verifier and _Shown(models.verifier, ("margin",), self._keep_crops("verifier"))
        return Models(detector, embedder, models.profile, verifier, models.settings)

    def show(self, models: Models) -> None:
        """Show all of it to the models, batch after batch, with nothing in between.

        A detector that looks at several batches at once gets as many at once as it gets while indexing.
        """
        detector = _Detector(models.detector)
        looks: dict[str, Callable[[Any], object]] = {"detector": detector.look}
        if models.embedder is not None:
            looks["embedder"] = models.embedder.embed_images
        if models.verifier is not None:
            looks["verifier"] = models.verifier.margin
        if not self._batches:
            return
        with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
            for model, arrays in self._batches:
                # A view of the file would keep it from being closed; and models are shown fresh arrays otherwise too.
                pixels = [_read(memory, array) for array in arrays]
                looks[model](pixels[0] if model == "detector" else pixels)
        detector.finish()

    def _keep_tiles(self, tiles: NDArray[np.uint8]) -> None:
        self.tiles += len(tiles)
        self._keep("detector", [tiles])

    def _keep_crops(self, model: str) -> Callable[[Sequence[NDArray[np.uint8]]], None]:
        def keep(crops: Sequence[NDArray[np.uint8]]) -> None:
            self.crops += len(crops)
            self._keep(model, crops)

        return keep

    def _keep(self, model: str, arrays: Sequence[NDArray[np.uint8]]) -> None:
        places = []
        for array in arrays:
            places.append((self._file.tell(), array.shape))
            self._file.write(np.ascontiguousarray(array).data)
        self._file.flush()
        self._batches.append((model, places))


class _Detector:
    """A detector by itself, which is always asked for the next batches before it is done with the last ones."""

    def __init__(self, detector: Detector) -> None:
        self.look: Callable[[Any], object] = detector.detect_tiles
        self._begin = getattr(detector, "begin", None)
        self._ahead = int(getattr(detector, "parallel", 0)) + 1
        self._asked: deque[Callable[[], object]] = deque()
        if self._begin is not None:
            self.look = self._ask

    def _ask(self, tiles: NDArray[np.uint8]) -> None:
        assert self._begin is not None
        self._asked.append(self._begin(tiles))
        if len(self._asked) > self._ahead:
            self._asked.popleft()()

    def finish(self) -> None:
        """Wait for all of it."""
        while self._asked:
            self._asked.popleft()()


class _Shown:
    """A model, and somebody who sees what it is shown."""

    def __init__(self, model: Any, methods: Collection[str], look: Callable[[Any], None]) -> None:
        self._model, self._methods, self._look = model, methods, look

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._model, name)
        if name not in self._methods:
            return found

        def seen(shown: Any) -> Any:
            self._look(shown)
            return found(shown)

        return seen


def _read(memory: mmap.mmap, array: _Array) -> NDArray[np.uint8]:
    start, shape = array
    return np.frombuffer(memory[start : start + int(np.prod(shape))], np.uint8).reshape(shape)
