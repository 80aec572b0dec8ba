import json

import numpy as np
from PIL import Image


def red_boxes(size_wh, *boxes):
    pixels = np.full((size_wh[1], size_wh[0], 3), 250, np.uint8)
    pixels[::2] = 235
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = (230, 20, 20)
    return Image.fromarray(pixels)


def test_a_canvas_is_compared_with_the_templates_and_with_a_list(amogus, workplace):
    red_boxes((60, 50), (10, 10, 15, 15), (40, 20, 45, 26)).save("canvas.png")
    (workplace / "m.csv").write_text("rule,pattern,x,y,w,h\nstrict,0,10,10,5,5\nstrict,0,30,40,5,5\n")
    done = amogus(
        "eval", "rplace", "canvas.png", "--matches", "m.csv", "--report", "out", "--detector", "fake", "-f", "json"
    )
    assert done.code == 0, done.err
    strict, template = json.loads(done.out)
    assert (strict["reference"], strict["boxes"], strict["recall_iou_0.5"]) == ("strict", 2, 0.5)
    assert (template["reference"], template["boxes"]) == ("template", 0)
    assert (strict["findings"], strict["unmatched"]) == (2, 1)
    assert (workplace / "out" / "missed_strict.png").exists()


def test_a_list_that_is_none_is_a_usage_error(amogus, workplace):
    red_boxes((60, 50)).save("canvas.png")
    done = amogus("eval", "rplace", "canvas.png", "--matches", "canvas.png", "--report", "out", "--detector", "fake")
    assert done.code == 2
    assert "rule, x, y, w, h" in done.err


def test_needles_are_hidden_and_counted(amogus, workplace):
    (workplace / "photos").mkdir()
    for name in ("a.png", "b.png"):
        red_boxes((300, 240), (20, 20, 40, 50)).save(workplace / "photos" / name)
    words = ("eval", "needle", "photos", "-n", "3", "--area", "0.02", "--detector", "fake", "-f", "json")
    done = amogus(*words, "--profile", "fast", "--report", "out")
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)
    assert (row["photos"], row["needles"]) == (2, 3)
    assert row["false_per_photo"] == 1.0
    assert (workplace / "out" / "needles.json").exists()


def test_the_gate_is_measured_on_photos(amogus, workplace):
    (workplace / "photos").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        red_boxes((300, 240), (20, 20, 40, 50)).save(workplace / "photos" / name)
    words = ("bench", "tiles", "photos", "-n", "2", "--plants", "2", "--detector", "fake", "--profile", "fast")
    done = amogus(*words, "-f", "json")
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)
    assert (row["photos"], row["windows"], row["passes"], row["saved"]) == (2, 2, 2, 0.0)
    assert row["photo_findings"] == 2
