"""Colours by name and by number."""

import pytest

from amogus_search.core.colours import COLOURS, nearest_name, parse_colour
from amogus_search.errors import UsageError


def test_a_colour_is_asked_for_by_name_or_number():
    assert parse_colour("Red") == COLOURS["red"]
    assert parse_colour("gray") == COLOURS["grey"]
    assert parse_colour("#0a0B0c") == parse_colour("0a0b0c") == (10, 11, 12)


def test_an_unknown_colour_is_answered_with_the_closest_one():
    with pytest.raises(UsageError, match="no colour 'purpel'") as caught:
        parse_colour("purpel")
    assert "'purple'" in caught.value.hint


@pytest.mark.parametrize("name", COLOURS)
def test_a_colour_has_its_own_name(name):
    assert nearest_name(COLOURS[name]) == name


@pytest.mark.parametrize(
    ("colour", "name"),
    [((90, 8, 8), "red"), ((250, 250, 250), "white"), ((120, 121, 118), "grey"), ((10, 60, 20), "green")],
)
def test_other_colours_have_the_name_that_people_would_give_them(colour, name):
    assert nearest_name(colour) == name
