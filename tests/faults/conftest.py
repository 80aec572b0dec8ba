"""Runs the checks of faults, each in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

RUNNER = Path(__file__).with_name("fault_runner.py")


@dataclass(frozen=True)
class Outcome:
    """What a check came to: faults tried, a line for each that was not survived, and what else it tells.

    is_broken: the check itself failed
    """

    tried: int
    wrong: list
    notes: dict = field(default_factory=dict)
    is_broken: bool = False

    @property
    def survived(self):
        return self.tried - min(self.tried, len(self.wrong))


@pytest.fixture
def check(request):
    """`check(name, size, bug="")`: one of the checks, with a seeded bug if one is named. AMOGUS_SEED varies places."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # syncing takes no time there
    base = Path(tempfile.mkdtemp(prefix="amogus-faults-", dir=memory))
    base.chmod(0o755)
    seed = os.environ.get("AMOGUS_SEED", str(zlib.crc32(request.node.name.encode()) % 1000))

    def run(name, size, bug=""):
        command = [sys.executable, str(RUNNER), name, str(base / "b"), str(size), seed, bug]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            return Outcome(1, [done.stderr[-3000:]], is_broken=True)
        return Outcome(**json.loads(done.stdout))

    yield run
    shutil.rmtree(base, ignore_errors=True)
