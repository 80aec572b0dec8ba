from __future__ import annotations

import math

import numpy as np
import pytest

from amogus_search.errors import IndexStateError
from amogus_search.store import rows

SHA256 = "ab" * 32


def vector_row(kind="detection", sha256=SHA256, ordinal=3, numbers=16):
    blob = np.random.default_rng(ordinal + 1).standard_normal(numbers).astype("<f2").tobytes()
    return rows.sealed((kind, sha256, ordinal, blob))


@pytest.mark.parametrize(
    "row",
    [
        vector_row(),
        vector_row("image", ordinal=-1),
        vector_row("image", "it's \\ a \x00 digest"),
        vector_row("some other kind"),
        vector_row(sha256="ü" * 10, ordinal=10**12),
    ],
    ids=["finding", "image", "odd digest", "odd kind", "not ASCII"],
)
def test_a_vector_that_is_as_it_was_written_passes_whatever_it_is_called(row):
    rows.check_vectors([row, (*row, "an id")])


def test_a_vector_of_which_anything_was_changed_is_refused():
    """The short way must refuse just what the long way does."""
    row = vector_row()
    others = ("image", "ac" * 32, 4, row[3][:-1] + bytes([row[3][-1] ^ 1]), row[4][:-1] + bytes([row[4][-1] ^ 1]))
    odd = (None, b"detection", "3", "text", 7)
    for column in range(5):
        for value in (others[column], odd[column]):
            changed = (*row[:column], value, *row[column + 1 :])
            with pytest.raises(IndexStateError, match="of vectors does not match"):
                rows.check_vectors([vector_row("image"), changed])


def test_a_similarity_is_the_cosine_and_the_same_whatever_else_is_asked_for():
    random = np.random.default_rng(0)
    table = random.standard_normal((37, 65)).astype("<f2")
    table[20] = table[3]
    blobs, vector = [row.tobytes() for row in table], random.standard_normal(65)
    length = math.sqrt(vector.dot(vector))
    found = rows.similarities(blobs, vector, length)
    wide = table.astype(np.float64)
    np.testing.assert_allclose(found, wide @ vector / np.linalg.norm(wide, axis=1) / length, rtol=1e-12)
    assert [rows.similarities([blob], vector, length)[0] for blob in blobs] == found
    assert found[20] == found[3]


def test_vectors_of_several_lengths_are_damage():
    with pytest.raises(IndexStateError, match="several lengths"):
        rows.similarities([bytes(8), bytes(10)], np.ones(4), 2.0)
