"""Sentences for models that learnt from captions: a bare noun is none."""

from __future__ import annotations

CAPTIONS = ("a photo of a {}.", "a picture of a {}.", "a drawing of a {}.", "something that looks like a {}.")
"""What a query of a few words is put into; their mean counts (`pipeline.terms.prompts`)."""
