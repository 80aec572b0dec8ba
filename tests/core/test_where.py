"""The `--where` language: what it accepts, what it refuses, and that values never become SQL."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amogus_search.core.where import Column, compile_where
from amogus_search.errors import UsageError

COLUMNS = {
    "path": Column("i.path_text", "text"),
    "width": Column("i.width", "number"),
    "amogusness": Column("d.amogusness", "number"),
}


def test_a_comparison_becomes_a_placeholder_and_a_value():
    assert compile_where("width >= 1000", COLUMNS) == ("i.width >= ?", (1000,))


def test_and_binds_tighter_than_or():
    sql, values = compile_where("width = 1 or width = 2 and amogusness > 0.5", COLUMNS)
    assert sql == "(i.width = ? OR (i.width = ? AND d.amogusness > ?))"
    assert values == (1, 2, 0.5)


def test_parentheses_and_not_change_the_order():
    sql, _ = compile_where("not (width = 1 or width = 2) AND path like '%a b%'", COLUMNS)
    assert sql == "(NOT ((i.width = ? OR i.width = ?)) AND i.path_text LIKE ? ESCAPE '\\')"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("path = plain", "plain"),
        ("path = 'it''s'", "it's"),
        ('path = "a ""b"""', 'a "b"'),
        ("path = /a/b.png", "/a/b.png"),
    ],
)
def test_text_is_one_word_or_quoted(text, value):
    assert compile_where(text, COLUMNS)[1] == (value,)


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("wdith = 3", 1, "did you mean width"),
        ("width = tall", 9, "number"),
        ("width 3", 7, "expected one of"),
        ("width = 3 width = 4", 11, "expected 'and'"),
        ("(width = 3", 1, "never closed"),
        ("width = 3 and", 14, "expected a column"),
        ("width like 3", 7, "compares text"),
        ("width = nan", 9, "finite"),
        ("path = 'open", 8, "cannot read"),
        ("", 1, "expected a column"),
    ],
)
def test_a_mistake_is_pointed_at(text, position, words):
    with pytest.raises(UsageError) as caught:
        compile_where(text, COLUMNS)
    assert f"at character {position}:" in caught.value.problem
    assert words in caught.value.problem


def test_endless_brackets_are_refused_and_do_not_exhaust_the_stack():
    with pytest.raises(UsageError, match="brackets"):
        compile_where("(" * 5000, COLUMNS)
    with pytest.raises(UsageError, match="brackets"):
        compile_where("not " * 5000 + "width = 1", COLUMNS)


@given(st.text(max_size=40))
def test_no_value_can_become_sql(text):
    """Any text in quotes arrives as the very same value, whatever it holds."""
    quoted = "'" + text.replace("'", "''") + "'"
    sql, values = compile_where(f"path = {quoted}", COLUMNS)
    assert (sql, values) == ("i.path_text = ?", (text,))


def test_the_result_runs_in_sqlite_with_like_escaped():
    base = sqlite3.connect(":memory:")
    base.executescript("CREATE TABLE i (path_text TEXT); INSERT INTO i VALUES ('50%_off'), ('50 off')")
    sql, values = compile_where(r"path like '50\%%'", COLUMNS)
    assert base.execute(f"SELECT path_text FROM i WHERE {sql}", values).fetchall() == [("50%_off",)]
    base.close()


@given(st.text(alphabet="()=<>!'\" andor widthpath1.5", max_size=30))
def test_any_text_is_either_compiled_or_refused(text):
    try:
        sql, values = compile_where(text, COLUMNS)
    except UsageError:
        return
    assert sql.count("?") == len(values)
