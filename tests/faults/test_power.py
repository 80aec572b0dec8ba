"""Would the tests of faults find a bug? Each of these is seeded, and must make its check fail.

All of them take minutes: `make faults` seeds all, the slow tests every third.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the checks are programs of their own, and import one another

from fault_bugs import BUGS

EVERY = 1 if os.environ.get("AMOGUS_FAULTS") else 3


@pytest.mark.slow
@pytest.mark.parametrize("bug", list(BUGS)[::EVERY])
def test_a_seeded_bug_is_found(bug, check, fault_record):
    found = check(BUGS[bug].check, BUGS[bug].size, bug)
    assert not found.is_broken, found.wrong
    print(bug, found.tried, found.wrong[:2])  # noqa: T201 - shown by -s
    fault_record("seeded bugs", tried=1, survived=bool(found.wrong), what=bug)
