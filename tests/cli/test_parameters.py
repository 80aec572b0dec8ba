import dataclasses
import inspect
from pathlib import Path
from typing import get_args

import pytest

from amogus_search import settings
from amogus_search.cli import parameters
from amogus_search.core.thresholds import Threshold
from amogus_search.errors import UsageError
from amogus_search.exports.table import FORMATS
from amogus_search.finder import DEFAULT


def test_the_choices_are_those_of_the_settings():
    assert get_args(parameters.ProfileName) == tuple(settings.PROFILES)
    assert get_args(parameters.Strictness) == tuple(settings.STRICTNESS)
    assert get_args(parameters.Format) == FORMATS


def test_the_index_is_the_one_given_else_the_environment_s_else_the_default(monkeypatch):
    monkeypatch.delenv("AMOGUS_INDEX", raising=False)
    assert parameters.index_folder(None) == Path("index/default")
    monkeypatch.setenv("AMOGUS_INDEX", "elsewhere")
    assert parameters.index_folder(None) == Path("elsewhere")
    assert parameters.index_folder(Path("given")) == Path("given")


def test_any_bound_replaces_the_default_threshold():
    assert parameters.Thresholds().resolved() == DEFAULT
    assert parameters.Thresholds(min_confidence=0.3).resolved() == Threshold(min_confidence=0.3)
    assert parameters.Thresholds(strictness="unhinged").resolved() == Threshold(min_amogusness=0.02)
    assert parameters.Thresholds().resolved(Threshold()) == Threshold()


def test_two_ways_to_say_the_same_bound_are_refused():
    with pytest.raises(UsageError, match="same thing"):
        parameters.Thresholds(strictness="loose", min_amogusness=0.3).resolved()


@dataclasses.dataclass(frozen=True)
class Pair:
    left: int
    right: int = 2


def test_a_dataclass_parameter_becomes_options_and_comes_back_whole():
    def command(pair: Pair, name: str = "x") -> tuple[Pair, str]:
        return pair, name

    flat = parameters.with_options(command)
    assert list(inspect.signature(flat).parameters) == ["left", "right", "name"]
    assert flat(left=1, right=5, name="y") == (Pair(1, 5), "y")
