"""What each kind of column takes: values become parameters, dates and folders become ranges."""

import sqlite3
from contextlib import closing
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amogus_search.core.comparisons import Column, compare

SIZE = Column("v", "bytes")
PATH = Column("v", "path")
FOLDER = Column("v", "folder")
TIME = Column("v", "time")
SUFFIX = Column("CAST(v AS TEXT)", "suffix")

PATHS = [
    b"/a/b/x.JPG",
    b"/a/b/c/y.png",
    b"/a/bc/z.jpg",
    b"/a/b0/z.jpeg",
    b"/q/b/w",
    b"/q/.jpg.d/v.tar.gz",
    b"/a/b-\xff/u.jpg",
]


def kept(column, operator, text, values):
    """Which of some values meet a comparison in a real database."""
    sql, parameters = compare(column, operator, text)
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("CREATE TABLE t (v)")
        base.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
        return [row[0] for row in base.execute(f"SELECT v FROM t WHERE {sql} ORDER BY rowid", parameters)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a/b", PATHS[:2]),
        ("/a/b/", PATHS[:2]),
        ("/a//b/./", PATHS[:2]),
        ("b", [PATHS[0], PATHS[1], PATHS[4]]),
        ("b/c", [PATHS[1]]),
        ("/", PATHS),
        ("/a/b/x.JPG", []),
        ("B", []),
        ("/a/b-\udcff", [PATHS[6]]),
    ],
)
def test_a_folder_is_what_lies_in_it_however_deep_and_not_what_only_begins_alike(text, expected):
    assert kept(FOLDER, "=", text, PATHS) == expected
    assert kept(FOLDER, "!=", text, PATHS) == [path for path in PATHS if path not in expected]


def test_folders_are_also_matched_by_a_pattern():
    assert kept(FOLDER, "like", "/a/%", PATHS) == [PATHS[0], PATHS[1], PATHS[2], PATHS[3], PATHS[6]]
    assert kept(FOLDER, "like", "%/b", PATHS) == [PATHS[0], PATHS[4]]


def test_a_folder_can_be_found_by_the_index_of_the_paths():
    """Only so is the condition cheap in a large index."""
    sql, parameters = compare(FOLDER, "=", "/a/b")
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("CREATE TABLE t (v BLOB PRIMARY KEY)")
        (plan,) = base.execute(f"EXPLAIN QUERY PLAN SELECT v FROM t WHERE {sql}", parameters).fetchall()
    assert "SEARCH" in plan[3]


@pytest.mark.parametrize("text", ["", ".", "..", "/a/../b"])
def test_what_is_no_folder_is_refused(text):
    with pytest.raises(ValueError, match="absolute path"):
        compare(FOLDER, "=", text)


def test_a_folder_is_neither_smaller_nor_larger():
    with pytest.raises(ValueError, match="="):
        compare(FOLDER, "<", "/a")


@pytest.mark.parametrize("text", ["jpg", ".jpg", "JPG"])
def test_an_extension_is_compared_in_any_case_with_or_without_its_dot(text):
    assert kept(SUFFIX, "=", text, PATHS) == [PATHS[0], PATHS[2], PATHS[6]]
    assert PATHS[0] not in kept(SUFFIX, "!=", text, PATHS)


def test_an_extension_is_the_end_of_the_name_and_no_pattern():
    assert kept(SUFFIX, "=", "gz", PATHS) == kept(SUFFIX, "=", "tar.gz", PATHS) == [PATHS[5]]
    assert kept(SUFFIX, "=", "jp%", PATHS) == []
    for text in ("", ".", "d/v"):
        with pytest.raises(ValueError, match="like jpg"):
            compare(SUFFIX, "=", text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("2000", 2000), ("2kB", 2000), ("2KB", 2000), ("1.5MiB", 1572864), ("2G", 2 * 10**9), ("3 TB", 3 * 10**12)],
)
def test_sizes_have_units(text, number):
    assert compare(SIZE, ">=", text) == ("v >= ?", (number,))


@pytest.mark.parametrize("text", ["", "MB", "2XB", "2i", "nan", "1e999", "kB2"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="number"):
        compare(SIZE, "=", text)


def nanoseconds(*when):
    return round(datetime(*when).timestamp()) * 10**9


MOMENTS = [
    nanoseconds(2025, 12, 31, 23, 59, 59) + 999_999_999,
    nanoseconds(2026, 1, 1),
    nanoseconds(2026, 5, 31),
    nanoseconds(2026, 5, 31, 18, 30, 20),
    nanoseconds(2026, 6, 1) - 1,
    nanoseconds(2026, 6, 1),
]


@pytest.mark.parametrize(
    ("operator", "text", "places"),
    [
        ("=", "2026", [1, 2, 3, 4, 5]),
        ("=", "2026-05", [2, 3, 4]),
        ("=", "2026-05-31", [2, 3, 4]),
        ("!=", "2026-05-31", [0, 1, 5]),
        (">", "2026-05-31", [5]),
        (">=", "2026-05-31", [2, 3, 4, 5]),
        ("<", "2026-05-31", [0, 1]),
        ("<=", "2026-05-31", [0, 1, 2, 3, 4]),
        ("=", "2026-05-31 18:30", [3]),
        ("=", "2026-05-31T18:30:20", [3]),
        ("<", "2026", [0]),
        ("<", "9998-12", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_date_means_all_of_the_day_month_or_year(operator, text, places):
    assert kept(TIME, operator, text, MOMENTS) == [MOMENTS[place] for place in places]


def test_a_time_may_name_its_zone():
    assert compare(TIME, "<", "2026-05-31T18:30Z")[1] == (1780252200 * 10**9,)
    assert compare(TIME, "<", "2026-05-31T20:30+02:00")[1] == (1780252200 * 10**9,)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "26-05-31", "2026-13", "2026-02-30", "2026-5-1", "0000", "9999-12-31"]
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueError, match="date"):
        compare(TIME, "=", text)


@given(st.sampled_from([SIZE, PATH, FOLDER, TIME, SUFFIX]), st.sampled_from(["=", "!=", "<", ">=", "like"]), st.text())
def test_any_value_becomes_a_parameter_or_is_refused(column, operator, text):
    try:
        sql, values = compare(column, operator, text)
    except ValueError:
        return
    assert sql.count("?") == len(values)
    kept(column, operator, text, [b"/a/b.jpg", 5])


def test_a_path_that_is_not_utf8_can_be_asked_for():
    assert kept(PATH, "=", "/a/b-\udcff/u.jpg", PATHS) == [PATHS[6]]
