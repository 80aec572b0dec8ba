import numpy as np
import pytest

from amogus_search.embedders.vectors import unit_rows
from amogus_search.errors import AmogusError


def test_rows_get_length_one() -> None:
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, -2.0]]), "some model")
    assert rows.dtype == np.float32
    assert np.allclose(rows, [[0.6, 0.8], [0.0, -1.0]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_a_vector_without_a_direction_is_refused(bad: float) -> None:
    """A NaN in a search structure makes every comparison with it false and silently loses findings."""
    with pytest.raises(AmogusError, match="1 of 2"):
        unit_rows(np.array([[1.0, 0.0], [bad, 0.0]], np.float32), "some model")


def test_no_rows_stay_no_rows() -> None:
    assert unit_rows(np.zeros((0, 5), np.float32), "some model").shape == (0, 5)
