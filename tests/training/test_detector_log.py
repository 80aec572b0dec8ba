import builtins
from dataclasses import replace
from xml.etree import ElementTree as ET

from amogus_search.training.detector_log import EpochResult, by_column, draw_losses, read_log, write_log

ONE = EpochResult(1, 10.0, 1.5, 2.5, 0.5, 3.0, 1.0, 0.4, 0.3, 0.1, 13.5)


def test_losses_are_sorted_by_their_names_whatever_network_they_come_from():
    """YOLO26 has six parts in another order and under other names than YOLOv8; a detection network has three."""
    parts = {"box_loss": 1, "pose_loss": 2, "kobj_loss": 3, "cls_loss": 4, "l1_loss": 5, "rle_loss": 6, "new": 7}
    assert by_column(parts) == {
        "box_loss": 1,
        "pose_loss": 2,
        "visibility_loss": 3,
        "class_loss": 4,
        "dfl_loss": 5,
        "likelihood_loss": 6,
    }
    assert by_column({"box_loss": 1, "cls_loss": 2, "dfl_loss": 3})["pose_loss"] == 0


def test_a_log_is_read_as_it_was_written(tmp_path):
    write_log(tmp_path / "log.csv", ONE)
    results = write_log(tmp_path / "log.csv", replace(ONE, epoch=2))
    assert read_log(tmp_path / "log.csv") == results == [ONE, replace(ONE, epoch=2)]


def test_an_epoch_that_is_done_again_after_a_kill_stands_in_the_log_once(tmp_path):
    write_log(tmp_path / "log.csv", ONE)
    assert write_log(tmp_path / "log.csv", replace(ONE, ap50=0.5)) == [replace(ONE, ap50=0.5)]


def test_a_log_from_before_a_column_existed_goes_on(tmp_path):
    path = tmp_path / "log.csv"
    write_log(path, ONE)
    path.write_text("\n".join(line.rpartition(",")[0] for line in path.read_text().splitlines()))
    assert write_log(path, replace(ONE, epoch=2)) == [replace(ONE, likelihood_loss=0.0), replace(ONE, epoch=2)]


def test_the_plot_shows_each_loss_that_there_is(tmp_path):
    assert draw_losses(tmp_path / "losses.svg", [ONE, replace(ONE, epoch=2, box_loss=1.0)])
    svg = ET.parse(tmp_path / "losses.svg").getroot()
    assert svg.get("aria-label") == "Training losses"


def test_without_matplotlib_nothing_is_drawn_and_nothing_fails(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **named):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    assert not draw_losses(tmp_path / "losses.svg", [ONE])
    assert not (tmp_path / "losses.svg").exists()
