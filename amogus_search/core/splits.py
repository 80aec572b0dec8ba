"""Which pictures are never trained on, decided by content, so that every part of the project agrees."""

from __future__ import annotations

HELD_OUT_FROM = 0xA0
"""First byte of the sha256 from which a picture is held out: 96 of 256 values, about 37 in 100."""


def is_held_out(sha256_hex: str) -> bool:
    """Whether a picture may only be used for validation and measuring.

    Args:
        sha256_hex: hex digest of the picture file's bytes.

    Raises:
        ValueError: the text does not begin with two hex digits.
    """
    return int(sha256_hex[:2], 16) >= HELD_OUT_FROM


def is_for_fitting(sha256_hex: str) -> bool:
    """Of the held-out pictures: whether a calibration is fitted on it; the others are for reporting only.

    Decided by the last hex digit, so that it says nothing about `is_held_out`.

    Raises:
        ValueError: the text does not end with a hex digit.
    """
    return int(sha256_hex[-1], 16) % 2 == 0
