import hashlib

import pytest

from amogus_search.core.splits import is_held_out


@pytest.mark.parametrize(("first_byte", "held_out"), [("00", False), ("9f", False), ("a0", True), ("FF", True)])
def test_the_first_byte_of_the_content_hash_decides(first_byte: str, held_out: bool) -> None:
    """Training, calibration and reports run at different times and must still agree on the split."""
    assert is_held_out(first_byte + "0" * 62) is held_out


def test_about_three_eighths_of_all_pictures_are_held_out() -> None:
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(2000)]
    assert 0.34 < sum(map(is_held_out, digests)) / len(digests) < 0.41


def test_text_that_is_no_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        is_held_out("not a hash")
