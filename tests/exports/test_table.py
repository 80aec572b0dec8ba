import csv
import io
import json

import numpy as np
import pytest

from amogus_search.core.types import FindingScores
from amogus_search.errors import UsageError
from amogus_search.exports.json_form import image_json, skipped_json
from amogus_search.exports.table import FORMATS, write_hits, write_images


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def records(make_hit):
    hit = make_hit(1, b"b.jpg", [[1, 2, 11, 22], [30, 30, 40, 50]])
    return [
        image_json(b"b.jpg", hit.sha256, (100, 80), hit.detections, hit.scores),
        image_json(b"a.jpg", "cd", (5, 6), make_hit(1, b"a.jpg", []).detections),
        skipped_json(b"bad.jpg", "truncated", "ends early"),
    ]


def test_the_table_shows_path_amogusness_rarity_and_evidence(make_hit):
    out = io.StringIO()
    hits = [make_hit(1, b"/a.jpg", [[1, 2, 11, 22]]), make_hit(2, b"/b.jpg", [])]
    assert write_hits(hits, out, "table") == 2
    header, _, first, second = [line for line in out.getvalue().splitlines() if line.strip()]
    assert header.split() == ["rank", "path", "amogusness", "rarity", "evidence"]
    assert first.split() == ["1", "/a.jpg", "0.97", "1", "in", "3,100", "visor"]
    assert second.split() == ["2", "/b.jpg", "nothing", "found"]


def test_without_a_calibration_the_table_shows_confidence(make_hit):
    nothing = FindingScores(np.array([np.nan]), np.array([np.nan]), np.zeros(1, bool))
    out = io.StringIO()
    write_hits([make_hit(1, b"/a.jpg", [[1, 2, 11, 22]], by="confidence", score=0.9, scores=nothing)], out, "table")
    assert "confidence" in out.getvalue()
    assert "0.90" in out.getvalue()
    assert "amogusness" not in out.getvalue()


def test_a_similarity_query_has_a_column_for_it(make_hit):
    out = io.StringIO()
    write_hits([make_hit(1, b"/a.jpg", [[1, 2, 11, 22]], by="similarity", score=0.314)], out, "table")
    assert "similarity" in out.getvalue()
    assert "0.31" in out.getvalue()


def test_a_match_with_a_whole_image_is_not_called_nothing_found(make_hit):
    whole = make_hit(1, b"/photos/a.jpg", [[10, 10, 30, 30]], by="similarity", score=0.4, detection=None)
    bare = make_hit(2, b"/photos/b.jpg", [], by="similarity", score=0.3, detection=None)
    out = io.StringIO()
    write_hits([whole, bare], out, "table")
    first, second = [line for line in out.getvalue().splitlines() if "/photos/" in line]
    assert "whole image" in first
    assert "nothing found" in second


def test_hostile_names_cannot_forge_lines_or_colours(make_hit, hostile_path):
    out = Terminal()
    write_hits([make_hit(1, hostile_path, [])], out, "table")
    plain = io.StringIO()
    write_hits([make_hit(1, hostile_path, [])], plain, "table")
    assert "\x1b[31m" not in out.getvalue()
    assert "\u202e" not in out.getvalue()
    assert len([line for line in plain.getvalue().splitlines() if line.strip()]) == 3


def test_markup_in_a_name_is_text(make_hit):
    out = io.StringIO()
    write_hits([make_hit(1, b"/[red]x[/red] :smile:.jpg", [])], out, "table")
    assert "[red]x[/red] :smile:.jpg" in out.getvalue()


def test_a_long_path_is_folded_on_a_terminal_and_whole_in_a_pipe(make_hit, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    path = b"/" + b"long" * 60
    terminal, pipe = Terminal(), io.StringIO()
    write_hits([make_hit(1, path, [])], terminal, "table")
    write_hits([make_hit(1, path, [])], pipe, "table")
    assert path.decode() not in terminal.getvalue()
    assert path.decode() in pipe.getvalue()


def test_a_narrow_encoding_does_not_stop_the_table(make_hit):
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    write_hits([make_hit(1, "/雪.jpg".encode(), [])], out, "table")
    out.flush()
    assert b"\\u96ea" in raw.getvalue()


def test_json_is_one_array_and_jsonl_one_object_a_line(records):
    array, lines = io.StringIO(), io.StringIO()
    assert write_images(records, array, "json") == write_images(records, lines, "jsonl") == 3
    assert json.loads(array.getvalue()) == records
    assert [json.loads(line) for line in lines.getvalue().splitlines()] == records


def test_jsonl_is_written_as_it_comes(records):
    """So that a pipe sees the first picture while the second is being looked at."""
    out, seen = io.StringIO(), []

    def slowly():
        for record in records:
            seen.append(out.getvalue().count("\n"))
            yield record

    write_images(slowly(), out, "jsonl")
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("form", FORMATS)
def test_no_results_are_valid_in_every_form(form):
    out = io.StringIO()
    assert write_hits([], out, form) == 0
    if form == "json":
        assert json.loads(out.getvalue()) == []


@pytest.mark.parametrize(("form", "dialect", "end"), [("csv", "excel", "\r\n"), ("tsv", "excel-tab", "\n")])
def test_separated_values_have_a_row_a_finding(records, form, dialect, end):
    out = io.StringIO(newline="")
    write_images(records, out, form)
    rows = list(csv.DictReader(io.StringIO(out.getvalue(), newline=""), dialect=dialect))
    assert out.getvalue().count(end) == 5
    assert [row["path"] for row in rows] == ["b.jpg", "b.jpg", "a.jpg", "bad.jpg"]
    assert (rows[0]["x2"], rows[0]["amogusness"], rows[0]["evidence_visor"]) == ("11.0", "0.97", "0.98")
    assert (rows[0]["rarity_at_least"], rows[1]["rarity_at_least"]) == ("", "true")
    assert (rows[2]["confidence"], rows[2]["width"]) == ("", "5")
    assert (rows[3]["skipped"], rows[3]["detail"]) == ("truncated", "ends early")


def test_known_evidence_columns_need_no_rows_to_be_held(records):
    out = io.StringIO()
    write_images(records[2:], out, "csv", evidence_names=("visor",))
    assert out.getvalue().splitlines()[0].endswith("zoom,evidence_visor")


def test_every_name_survives_csv(make_hit, hostile_path):
    out = io.StringIO(newline="")
    write_hits([make_hit(1, hostile_path, [[1, 2, 3, 4]])], out, "csv")
    row = next(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
    back = bytes.fromhex(row["path_hex"]) if row["path_hex"] else row["path"].encode()
    assert back == hostile_path


def test_no_cell_is_a_formula():
    out = io.StringIO()
    write_images([skipped_json(b"=1+1.jpg", "corrupt", "@SUM(A1)")], out, "csv")
    row = next(csv.DictReader(io.StringIO(out.getvalue())))
    assert (row["path"], row["detail"]) == ("./=1+1.jpg", "'@SUM(A1)")


def test_the_image_table_lists_findings_empty_images_and_skips(records):
    out = io.StringIO()
    write_images(records, out, "table")
    text = out.getvalue()
    assert "10x20 at 1,2" in text
    assert "nothing found" in text
    assert "skipped, truncated: ends early" in text


def test_an_unknown_form_names_the_known_ones():
    with pytest.raises(UsageError, match="jsonl"):
        write_hits([], io.StringIO(), "xml")
