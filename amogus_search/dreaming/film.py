"""A dream as it goes on: a PNG a step in a folder, or a video. Nothing is seen under its name before it is whole."""

from __future__ import annotations

import io
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from amogus_search.core.types import Pixels
from amogus_search.errors import AmogusError, UsageError
from amogus_search.exports.folders import write_whole
from amogus_search.exports.pictures import encoded
from amogus_search.whole_files import in_place_of

VIDEOS = (".mp4", ".gif", ".webp")
_QUALITY = 85
"""Of an animated WebP."""
_HOLD_S = 1.5
"""The last frame stays for so long, in seconds."""


class Film:
    """Takes frames of one size; a context manager that throws the video away when something went wrong.

    Args:
        folder: gets `0001.png` and so on; None: no single frames.
        video: a file whose name ends in one of `VIDEOS`; None: no video.
        rate: frames a second of the video.

    Raises:
        UsageError: the video's name ends otherwise.
        AmogusError: it cannot be written.
    """

    def __init__(self, folder: Path | None, video: Path | None, rate: float = 20.0) -> None:
        self._folder, self._video, self._rate = folder, video, rate
        self._count = 0
        self._last: Pixels | None = None
        self._kept: list[bytes] = []
        self._writer: Any = None
        self._begun = ExitStack()
        if video is not None and video.suffix.lower() not in VIDEOS:
            raise UsageError(f"{video} is no video that can be written", f"let its name end in {', '.join(VIDEOS)}")
        for place in (folder, None if video is None else video.parent):
            if place is not None:
                place.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Film:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._begun.__exit__(kind, error, trace)
            return
        with self._begun:
            if self._last is not None:
                self._finish(self._last)

    @property
    def wanted(self) -> bool:
        """Whether anybody wants frames at all."""
        return self._folder is not None or self._video is not None

    def add(self, frame: Pixels) -> None:
        """One more frame: (h, w, 3) uint8 RGB."""
        self._count += 1
        self._last = frame
        if self._folder is not None:
            write_whole(self._folder / f"{self._count:04}.png", encoded(frame, "PNG", 0))
        if self._video is not None:
            self._add_to_video(frame)

    def _add_to_video(self, frame: Pixels) -> None:
        assert self._video is not None
        if self._video.suffix.lower() != ".mp4":
            self._kept.append(encoded(frame, "PNG", 0))
            return
        even = np.ascontiguousarray(frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2, ::-1])
        if self._writer is None:
            codec = cv2.VideoWriter_fourcc(*"mp4v")  # type: ignore[attr-defined, unused-ignore]
            part = self._begun.enter_context(in_place_of(self._video, ".part.mp4"))  # OpenCV goes by the ending
            self._writer = cv2.VideoWriter(str(part), codec, self._rate, (even.shape[1], even.shape[0]))
            self._begun.callback(self._writer.release)
            if not self._writer.isOpened():
                raise AmogusError(f"{self._video} cannot be written", "check the folder, or write a .webp instead")
        self._writer.write(even)

    def _finish(self, last: Pixels) -> None:
        if self._video is None:
            return
        for _ in range(round(_HOLD_S * self._rate) if self._writer is not None else 0):
            self._add_to_video(last)
        if self._writer is None:
            write_whole(self._video, self._animation())

    def _animation(self) -> bytes:
        from PIL import Image

        assert self._video is not None
        frames = [Image.open(io.BytesIO(content)) for content in self._kept]
        duration = [round(1000 / self._rate)] * (len(frames) - 1) + [round(_HOLD_S * 1000)]
        buffer = io.BytesIO()
        if self._video.suffix.lower() == ".webp":
            options: dict[str, Any] = {"format": "WEBP", "quality": _QUALITY, "method": 2}
        else:
            options = {"format": "GIF", "optimize": False}
        frames[0].save(buffer, save_all=True, append_images=frames[1:], duration=duration, loop=0, **options)
        return buffer.getvalue()
