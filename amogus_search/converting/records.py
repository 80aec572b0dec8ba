"""What a conversion did, as JSON: one record a picture for stdout, and what stands in its sidecar.

A sidecar has `generator`, `version`, `run` (digest of all that decides what comes out), `source`, `output`, `options`,
`backend`, `detector`, `judge`, `copied`, `notes` and `changes`; a change has the finding, the window and mask that
were used, what was asked of the back end, every try with its seed and score, and the scores before and after.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from amogus_search.core.conversion import Conversion
from amogus_search.core.paths import path_fields
from amogus_search.pipeline.conversion_crops import Spot
from amogus_search.pipeline.convert import Change

Status: TypeAlias = Literal["converted", "copied", "done", "kept", "skipped", "failed", "planned"]
"""converted, copied (nothing found), done (by an earlier run), kept (something else is there), skipped (cannot be
read), failed (the back end could not), planned (a dry run)."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one input.

    path:    of the input
    status:  see `Status`
    picture: in OUT; None if there is none
    record:  the sidecar's content, without the digest of the output
    detail:  why, where that is not plain
    reason:  one of `core.types.SKIP_REASONS` where it was skipped
    """

    path: bytes
    status: Status
    picture: Path | None
    record: Mapping[str, Any]
    detail: str = ""
    reason: str = ""

    @property
    def changes(self) -> list[dict[str, Any]]:
        """The sidecar's changes."""
        return list(self.record.get("changes", ()))

    def as_json(self) -> dict[str, Any]:
        """One record of what `amogus convert` prints."""
        output = {} if self.picture is None else path_fields(os.fsencode(self.picture))
        judged = [change for change in self.changes if change.get("after") is not None]
        return {
            **path_fields(self.path),
            "status": self.status,
            "output": output.get("path"),
            "changes": len(self.changes),
            "accepted": sum(bool(change.get("accepted")) for change in self.changes),
            "before": round(max((change["before"] for change in judged), default=0.0), 4) if judged else None,
            "after": round(min((change["after"] for change in judged), default=0.0), 4) if judged else None,
            "detail": self.detail,
        }


def options_record(conversion: Conversion) -> dict[str, Any]:
    """Every option by name, nested as in `core.conversion`."""
    return dataclasses.asdict(conversion)


def change_record(change: Change | Spot) -> dict[str, Any]:
    """One change of a sidecar; of a spot that was only planned, what is known."""
    spot = change if isinstance(change, Spot) else change.spot
    target = spot.target
    record: dict[str, Any] = {
        "box": [round(float(value), 2) for value in target.box_xyxy],
        "confidence": _rounded(target.confidence),
        "amogusness": _rounded(target.amogusness),
        "keypoints": {name: [round(float(v), 3) for v in point] for name, point in target.keypoints.items()},
        "evidence": {part: round(float(share), 4) for part, share in target.evidence.items()},
        "occluders": [polygon.round(2).tolist() for polygon in target.occluders],
        "window": list(spot.window),
        "color": spot.colour_name,
        "prompt": spot.prompt,
        "negative_prompt": spot.negative_prompt,
    }
    if isinstance(change, Spot):
        return record
    best = change.tries[change.best]
    return record | {
        "tries": [{"seed": one.seed, "score": _rounded(one.score)} for one in change.tries],
        "kept": change.best,
        "seed": best.seed,
        "before": _rounded(change.before),
        "after": _rounded(best.score),
        "accepted": change.accepted,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
