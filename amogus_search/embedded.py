"""The embedded detector in the forms that it travels in, and which of them runs on this machine.

`int8` is quantised, and quickest where the CPU has instructions for it; `bf16` and `f32` are the same ONNX file,
computed so. A form is part of an index' identity, and an index keeps the form that made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from amogus_search import runtime, weights
from amogus_search.detectors.openvino import OpenVinoDetector
from amogus_search.errors import UsageError

NAME = "amogus"
"""The embedded detector is called so, after the motif that it knows."""
Form: TypeAlias = Literal["int8", "bf16", "f32"]
FORMS: tuple[Form, ...] = ("int8", "bf16", "f32")

_MOST_LOST: Mapping[str, float] = {"ap50": 0.005, "recall": 0.01, "precision": 0.01, "false_per_100": 1.0}
"""What int8 may lose of each stored figure and still be chosen: half a point of AP, a point of the others."""
_LOWER_IS_BETTER = frozenset({"false_per_100"})


def detector(argument: str = "", *, threads: int = 0) -> OpenVinoDetector:
    """The detector whose weights travel with the package.

    Args:
        argument: one of `FORMS`; "" for the one that is chosen for this machine.
        threads: that it computes in; 0 leaves it to OpenVINO.

    Raises:
        UsageError: there is no such form, or this CPU has no instructions for it.
        WeightsError: its files are missing or not what they should be.
    """
    entry = weights.entry("detector", NAME)
    form = next((form for form in FORMS if form == argument), None) if argument else chosen_form(entry)
    if form is None or (form == "int8" and "int8" not in entry.files):
        raise UsageError(f"the embedded detector has no form {argument!r}", f"there are: {', '.join(FORMS)}")
    if not is_computed(form):
        raise UsageError(f"this CPU does not compute in {form}", f"there is always {NAME}:f32")
    is_int8 = form == "int8"
    return OpenVinoDetector(
        f"{NAME}:{argument}" if argument else NAME,
        weights.read(entry.files["int8" if is_int8 else "model"]),
        weights.motif(entry.about["motif"]),
        # What int8 leaves as it is, a hundredth of the work, is the same on every machine in f32.
        precision="bf16" if form == "bf16" else "f32",
        calibration=entry.about.get("calibration"),
        threads=threads,
        constants=weights.read(entry.files["int8_constants"]) if is_int8 else b"",
    )


def chosen_form(entry: weights.Entry | None = None) -> Form:
    """The form that runs where none is named: by the CPU's own flags, and for int8 by what was measured of it too."""
    entry = entry or weights.entry("detector", NAME)
    if is_computed("int8") and "int8" in entry.files and is_as_good(entry.about.get("int8", {})):
        return "int8"
    return "bf16" if is_computed("bf16") else "f32"


def is_as_good(about: Mapping[str, Any]) -> bool:
    """Whether int8 loses no more than it may, on every set of pictures that it was measured on beside bf16.

    Args:
        about: what the manifest says of it; `measured` maps a set to {"bf16": figures, "int8": figures}.
    """
    pairs = [(both["bf16"], both["int8"]) for both in about.get("measured", {}).values()]
    return bool(pairs) and all(
        (figures[name] - exact[name]) * (1 if name in _LOWER_IS_BETTER else -1) <= _MOST_LOST[name] + 1e-9
        for exact, figures in pairs
        for name in exact
    )


def name_of(name: str, made_by: object) -> str:
    """The name by which the detector that made an index is loaded again.

    Args:
        name: as the index remembers it.
        made_by: the fingerprint of its detector.

    Returns:
        For the embedded detector, the name of the form with that fingerprint, if it is one of today's and this CPU
        computes in it: so a machine that would choose another form goes on with that one.
    """
    if name != NAME:
        return name
    about = weights.entry("detector", NAME).about
    form = next((form for form in FORMS if about.get(f"fingerprint_{form}") == made_by), None)
    return f"{NAME}:{form}" if form and form != chosen_form() and is_computed(form) else name


def is_computed(form: Form) -> bool:
    """Whether this CPU has what the form was measured with: others would round otherwise, and be slow at it."""
    return form == "f32" or (runtime.cpu_has_int8() if form == "int8" else runtime.cpu_has_bf16())
