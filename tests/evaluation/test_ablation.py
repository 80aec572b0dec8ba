import numpy as np
import pytest

from amogus_search.core.motif import Motif
from amogus_search.errors import AmogusError
from amogus_search.evaluation.ablation import ablate

MOTIF = Motif("box", ("top", "left"), (0, 1), {"lid": ("top",)}, {"red": (340.0, 20.0)})


def findings(make, number, *, real, rng, margin=True):
    """One finding a picture; only its lid tells a real one well, its margin a little, its confidence less."""
    box = [10, 10, 40, 60]
    return make.picture(
        f"{'real' if real else 'false'}-{number}",
        [box] if real else [],
        [[*box, np.clip(rng.normal(0.55 + 0.05 * real, 0.2), 0.1, 1)]],
        evidence=[[np.clip(rng.normal(0.3 + 0.5 * real, 0.15), 0, 1), rng.random()]],
        margin=[rng.normal(1.5 * real)] if margin else None,
    )


def groups(make, **options):
    rng = np.random.default_rng(0)
    judged = [findings(make, number, real=number % 2 == 0, rng=rng, **options) for number in range(240)]
    return {"drawn": (judged, 240.0)}


def test_the_table_says_what_each_opinion_adds(make):
    rows = {row.opinions: row for row in ablate(groups(make), MOTIF, 0.5)}
    assert next(iter(rows)) == "confidence"
    assert list(rows)[-1] == "all"
    assert rows["confidence + parts"].auc > rows["confidence"].auc + 0.1
    assert rows["confidence + margin"].auc > rows["confidence"].auc
    assert rows["all"].auc >= rows["confidence + margin"].auc
    assert rows["all"].calibration_error < 0.15
    assert "lid" in rows["confidence + parts"].weights
    assert "lid" not in rows["confidence + colours"].weights


def test_without_a_second_look_there_is_no_row_for_it(make):
    names = [row.opinions for row in ablate(groups(make, margin=False), MOTIF, 0.5)]
    assert names == ["confidence", "confidence + parts", "confidence + colours", "confidence + parts + colours"]


def test_findings_that_are_all_alike_cannot_be_fitted(make):
    rng = np.random.default_rng(0)
    judged = [findings(make, number, real=True, rng=rng) for number in range(30)]
    with pytest.raises(AmogusError, match="alike"):
        ablate({"drawn": (judged, 30.0)}, MOTIF, 0.5)


def test_nothing_found_is_said(make):
    with pytest.raises(AmogusError, match="no findings"):
        ablate({"drawn": ([make.picture("a")], 1.0)}, MOTIF, 0.5)
