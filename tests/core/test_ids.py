from amogus_search.core.ids import crop_id, fingerprint, row_checksum


def test_a_crop_id_depends_on_content_and_box_but_not_on_float_noise():
    assert crop_id("ab", [1, 2, 3, 4]) == crop_id("ab", [1.0001, 2, 2.9999, 4])
    assert crop_id("ab", [1, 2, 3, 4]) != crop_id("ab", [1, 2, 3, 5])
    assert crop_id("ab", [1, 2, 3, 4]) != crop_id("cd", [1, 2, 3, 4])


def test_a_fingerprint_does_not_depend_on_the_order_of_names():
    assert fingerprint({"a": 1, "b": "x"}) == fingerprint({"b": "x", "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})


def test_a_row_checksum_tells_types_and_borders_apart():
    rows = [("1",), (1,), (1.0,), (b"1",), (None,), ("1", ""), ("", "1")]
    assert len({row_checksum(row) for row in rows}) == len(rows)
