"""Runs one check in this process: CHECK BASE SIZE SEED [BUG]; prints what it came to as JSON."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
FRAMES = 24
"""The log is copied when it is so long: often, though these indexes are small."""


def main(check: str, base: str, size: str, seed: str, bug: str = "") -> None:
    """See above."""
    sys.path[:0] = [str(HERE), str(HERE.parents[1])]
    os.umask(0o022)
    import faiss
    import fault_bugs
    import fault_checks
    import fault_damage
    import fault_files
    import fault_readers
    import fault_together

    from amogus_search.store import log_mark

    faiss.omp_set_num_threads(1)
    log_mark._MOST_FRAMES = FRAMES
    if bug:
        fault_bugs.BUGS[bug].seed()
    Path(base).mkdir(parents=True, exist_ok=True)
    modules = (fault_checks, fault_damage, fault_files, fault_readers, fault_together)
    job = next(getattr(module, check) for module in modules if hasattr(module, check))
    outcome = job(Path(base), int(size), int(seed))
    sys.stdout.write(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main(*sys.argv[1:])
