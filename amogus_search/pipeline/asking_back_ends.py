"""Asking a back end: in batches, side by side where it bears that, and one bad job costs itself alone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from amogus_search.core.conversion import Job
from amogus_search.core.types import Pixels
from amogus_search.errors import BackendGoneError, ConversionError
from amogus_search.ports import Converter


class Asker:
    """A back end and the threads from which it is asked."""

    def __init__(self, converter: Converter, pool: ThreadPoolExecutor) -> None:
        self._converter, self._pool = converter, pool

    def answers(self, jobs: Sequence[Job]) -> list[Pixels | ConversionError]:
        """The back end's answers in order, its batches side by side where it bears that."""
        size = max(1, self._converter.batch)
        batches = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        if self._converter.parallel <= 1:
            return [answer for batch in batches for answer in self._batch(batch)]
        return [answer for batch in self._pool.map(self._batch, batches) for answer in batch]

    def _batch(self, jobs: Sequence[Job]) -> list[Pixels | ConversionError]:
        try:
            return list(self._checked(jobs))
        except BackendGoneError:
            raise
        except ConversionError as error:
            if len(jobs) == 1:
                return [error]
        # One of them is the culprit: the others must not suffer for it.
        return [answer for job in jobs for answer in self._batch([job])]

    def _checked(self, jobs: Sequence[Job]) -> list[Pixels]:
        try:
            answers = self._converter.convert(jobs)
        except ConversionError:
            raise
        except Exception as error:  # foreign libraries raise anything; it costs that picture alone
            raise ConversionError(
                f"the back end {self._converter.name} failed: {type(error).__name__}: {error}",
                "run it on this picture alone to see more",
            ) from error
        fits = len(answers) == len(jobs) and all(
            answer.shape == job.crop.shape and answer.dtype == np.uint8
            for answer, job in zip(answers, jobs, strict=False)
        )
        if not fits:
            raise ConversionError(f"the back end {self._converter.name} gave pictures of another size or number", "")
        return answers
