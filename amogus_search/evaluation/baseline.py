"""Is it worse than before? A report beside a stored one of the same pictures, with a noise band for every metric.

Both models saw the same pictures, so both are measured on the same resamples of them, and the noise of a difference is
the spread of that difference: what the two have in common cancels out. A metric counts as better or worse when it
changed by more than 2.58 standard deviations (99 % of the changes that chance alone makes). With the eight metrics that
are compared, a model that is no different raises an alarm in at most 8 comparisons of 100.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from amogus_search.errors import UsageError
from amogus_search.evaluation import measures
from amogus_search.evaluation.records import ImageRecord
from amogus_search.evaluation.report import ROUNDS, SEED, TOGETHER, plain

RISING = ("ap50", "ap50_95", "recall", "precision", "pck10", "auc")
FALLING = ("false_per_100", "calibration_error")
"""What is compared: more is better in the first, less in the second."""
BAND_DEVIATIONS = 2.58

Verdict = Literal["better", "same", "worse", "not measured"]


@dataclass(frozen=True)
class Change:
    """One metric of one data set, then and now.

    noise: half the width of the band about no change; None where one of the two was not measured
    """

    data: str
    metric: str
    before: float | None
    now: float | None
    change: float | None
    noise: float | None
    verdict: Verdict

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def compare(report: Mapping[str, Any], baseline: Mapping[str, Any], *, rounds: int = ROUNDS) -> list[Change]:
    """One row a metric of every data set of the report.

    Args:
        report: what was just measured.
        baseline: what it is compared with; it may hold more data sets.
        rounds: resamples.

    Raises:
        UsageError: the baseline was measured at another threshold, or has no data set of these pictures and labels.
    """
    threshold, before = float(report["made"]["threshold"]), float(baseline["made"]["threshold"])
    if threshold != before:
        raise UsageError(
            f"the baseline counts findings from {before:g}, this run from {threshold:g}", "use one of them"
        )
    return [
        change
        for data in report["data"]
        if data["name"] != TOGETHER or data["records"]
        for change in _changes(data, _same_data(data, baseline), threshold, rounds)
    ]


def is_worse(changes: Sequence[Change]) -> bool:
    """Whether anything got worse beyond the noise."""
    return any(change.verdict == "worse" for change in changes)


def _same_data(data: Mapping[str, Any], baseline: Mapping[str, Any]) -> Mapping[str, Any]:
    for one in baseline["data"]:
        if one["digest"] == data["digest"] and one["records"]:
            return dict(one)
    known = ", ".join(f"{one['name']} ({one['digest'][:12]})" for one in baseline["data"] if one["records"])
    raise UsageError(
        f"the baseline was measured on other pictures or labels: {known or 'none'}; this is"
        f" {data['name']} ({data['digest'][:12]})",
        "compare on the same data set, or measure the baseline again",
    )


def _changes(now: Mapping[str, Any], before: Mapping[str, Any], threshold: float, rounds: int) -> list[Change]:
    # The same pictures may stand in another order or under other names: they are paired by content.
    pools = [measures.pool_records(_by_content(one["records"])) for one in (before, now)]
    draws = measures.resamples(pools[0].images, rounds, SEED)
    values = [measures.headline(pool, threshold, pool.once) for pool in pools]
    spread = [
        measures.resampled(lambda weights, pool=pool: measures.headline(pool, threshold, weights), draws)  # type: ignore[misc]
        for pool in pools
    ]
    # A raw confidence promises nothing, so it cannot break a promise.
    promised = now["calibrated"] and before["calibrated"]
    rows = []
    for metric in (*RISING, *FALLING) if promised else (*RISING, "false_per_100"):
        differences = spread[1][metric] - spread[0][metric]
        known = differences[np.isfinite(differences)]
        noise = BAND_DEVIATIONS * float(np.std(known, ddof=1)) if len(known) > 1 else math.nan
        rows.append(_change(str(now["name"]), metric, values[0][metric], values[1][metric], noise))
    return rows


def _by_content(records: Sequence[Mapping[str, Any]]) -> list[ImageRecord]:
    return sorted(map(ImageRecord.from_dict, records), key=lambda record: (record.sha256, record.truth.tolist()))


def _change(data: str, metric: str, before: float, now: float, noise: float) -> Change:
    known = math.isfinite(before) and math.isfinite(now) and math.isfinite(noise)
    change = now - before
    gain = -change if metric in FALLING else change
    verdict: Verdict = "same"
    if not known:
        verdict = "not measured"
    elif abs(gain) > noise + 1e-9:
        verdict = "better" if gain > 0 else "worse"
    return Change(data, metric, plain(before), plain(now), plain(change), plain(noise) if known else None, verdict)
