import dataclasses

import numpy as np
import pytest

from amogus_search.errors import AmogusError, UsageError
from amogus_search.evaluation import tiers

NAMES = ("plain", "varied", "disguised")


def small(number=3, seed=5):
    """A tier of a few tiny scenes, frozen now."""
    tier = tiers.FrozenTier("plain", number, seed, 96)
    return dataclasses.replace(tier, scenes=tuple(tiers.described(tier, n) for n in range(number)))


def test_the_specification_names_three_sets_of_a_thousand_scenes():
    frozen = tiers.frozen_tiers()
    assert tuple(frozen) == NAMES
    assert {tier.number for tier in frozen.values()} == {1000}
    assert len({tier.seed for tier in frozen.values()}) == 3
    assert {len(tier.scenes) for tier in frozen.values()} == {tiers.FROZEN_SCENES}


@pytest.mark.parametrize("name", NAMES)
def test_the_renderer_still_draws_what_was_frozen(name):
    """After a deliberate change of the renderer: `amogus eval tiers --freeze`, and measure every figure anew."""
    tiers.check(tiers.frozen_tiers()[name], scenes=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_renderer_still_draws_all_that_was_frozen(name):
    tiers.check(tiers.frozen_tiers()[name])


def test_a_renderer_that_draws_otherwise_is_noticed_and_told_how_to_go_on(monkeypatch):
    tier = small()
    draw = tiers.generate_scene

    def easier(*arguments):
        scene = draw(*arguments)
        return dataclasses.replace(scene, image=(scene.image * 0.9).astype(np.uint8))

    monkeypatch.setattr(tiers, "generate_scene", easier)
    with pytest.raises(AmogusError, match=r"renderer has changed.*--freeze"):
        tiers.check(tier)


def test_another_processors_rounding_is_no_change(monkeypatch):
    tier = small()
    draw = tiers.generate_scene

    def rounded(*arguments):
        scene = draw(*arguments)
        image = scene.image.copy()
        image[::7, ::5] ^= 1
        return dataclasses.replace(scene, image=image)

    monkeypatch.setattr(tiers, "generate_scene", rounded)
    assert tiers.described(tier, 0) != tier.scenes[0]
    tiers.check(tier)


def test_a_set_is_drawn_once_and_drawn_again_when_the_specification_changes(tmp_path):
    out = tmp_path / "plain"
    assert len(tiers.rendered(small(), out)) == 3
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    assert len(tiers.rendered(small(), out)) == 3
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")} == stamps
    tiers.rendered(small(seed=6), out)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")} != stamps


def test_a_set_that_was_stopped_half_way_is_drawn_again(tmp_path):
    out = tmp_path / "plain"

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiers.rendered(small(), out, progress=stop)
    assert len(tiers.rendered(small(), out)) == 3


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        tiers.rendered(small(), tmp_path)


def test_what_was_frozen_reads_back_as_it_is(tmp_path):
    tier = dataclasses.replace(small(), number=tiers.FROZEN_SCENES)
    path = tmp_path / "frozen.toml"
    path.write_text(tiers.frozen_again({"plain": tier}))
    again = tiers.frozen_tiers(path.read_text())["plain"]
    assert again.scenes[:3] == tier.scenes
    tiers.check(again, scenes=3)


def test_an_unknown_tier_is_answered_with_the_known_ones():
    assert tiers.names(["varied"]) == ["varied"]
    assert tiers.names() == list(NAMES)
    with pytest.raises(UsageError, match="plain, varied, disguised"):
        tiers.names(["easy"])
