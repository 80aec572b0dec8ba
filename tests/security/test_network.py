"""Nothing leaves this machine unless a name on the command line asks for it (DESIGN.md D9)."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
WATCH = r"""
import os, sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1")):
            os.write(2, f"OUTBOUND {event} {address}\n".encode())
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        os.write(2, f"OUTBOUND {event} {arguments}\n".encode())

sys.addaudithook(watch)
from amogus_search.cli.main import main
"""
IMPORTS = "from amogus_search import runtime; print(runtime.version()); assert main(['--help']) == 0"
EVERYDAY = """
photos, index, out = sys.argv[1:]
for words in (
    ["--help"],
    ["index", photos, "--index", index, "--quiet"],
    ["query", "--index", index, "--format", "jsonl"],
    ["query", "red amogus", "--index", index, "--format", "jsonl"],
    ["detect", photos, "--format", "jsonl"],
    ["export", "gallery", out, "--index", index],
):
    code = main(words)
    print("ran", words[0], code)
    assert code == 0, words
"""
TRACED = "trace=connect,sendto,sendmsg,sendmmsg"


def run(tmp_path, program, *prefix):
    """A program of the command line in a process of its own, with CI unset and an empty home."""
    photos, home = tmp_path / "photos", tmp_path / "home"
    photos.mkdir()
    home.mkdir()
    Image.new("RGB", (96, 64), (210, 30, 30)).save(photos / "one.png")
    quiet = {"CI", "OPENVINO_TELEMETRY", "DO_NOT_TRACK"}
    env = {name: value for name, value in os.environ.items() if name not in quiet}
    done = subprocess.run(
        [*prefix, sys.executable, "-c", WATCH + program, photos, tmp_path / "index", tmp_path / "gallery"],
        env={**env, "PYTHONPATH": str(ROOT), "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "OUTBOUND" not in done.stderr
    return done


def traced(tmp_path, program):
    """The connections that a tracer sees outside Python; skips the test where there is no tracer."""
    tracer = shutil.which("strace")
    if tracer is None:
        pytest.skip("strace is not installed: only the audit hook inside Python has looked")
    trace = tmp_path / "trace"
    done = run(tmp_path, program, tracer, "-f", "--seccomp-bpf", "-qq", "-e", TRACED, "-o", str(trace))
    return done, outbound_calls(trace.read_text(errors="replace"))


def outbound_calls(trace):
    """The lines of a trace that go anywhere but to a socket file or the loopback, or that ask a name server."""
    found = []
    for line in trace.splitlines():
        if "sa_family=AF_INET" not in line:
            continue
        loopback = re.search(r'inet_addr\("127\.|AF_INET6.*"::1"', line)
        if not loopback or re.search(r"port=htons\(53\)", line):
            found.append(line)
    return found


def test_the_help_and_the_models_library_open_no_connection_and_look_up_no_name(tmp_path):
    """Seen from inside Python, so that it holds also where no tracer is installed."""
    run(tmp_path, IMPORTS)


def test_a_tracer_sees_no_connection_of_the_models_library(tmp_path):
    """Native code and forks are seen only from outside: importing OpenVINO once forked a process that phoned home."""
    assert traced(tmp_path, IMPORTS)[1] == []


@pytest.mark.slow
def test_a_first_afternoon_makes_no_connection(tmp_path, fault_record):
    """Index, queries, detect and a gallery with the embedded weights; inside Python without a tracer."""
    done = run(tmp_path, EVERYDAY)
    fault_record("F22", tried=6, survived=done.stdout.count("ran "), what="commands without a connection (audit hook)")


@pytest.mark.slow
def test_a_tracer_sees_no_connection_in_a_first_afternoon(tmp_path, fault_record):
    done, calls = traced(tmp_path, EVERYDAY)
    survived = 0 if calls else done.stdout.count("ran ")
    fault_record("F22", tried=6, survived=survived, what="commands without a connection (strace)", wrong=calls)


def test_the_trace_reader_knows_what_leaves_the_machine():
    inside = [
        'connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = 0',
        'connect(3, {sa_family=AF_INET, sin_port=htons(8000), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
    ]
    outside = [
        'connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.1")}, 16) = -1',
        'connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16) = 0',
        'connect(3, {sa_family=AF_INET6, sin6_port=htons(443), inet_pton(AF_INET6, "2001:db8::1", &s)}, 28) = -1',
    ]
    assert outbound_calls("\n".join(inside + outside)) == outside


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: socket.create_connection(("192.0.2.1", 9), timeout=0.1),
        lambda: socket.getaddrinfo("example.com", 80),
        lambda: socket.gethostbyname("example.com"),
    ],
)
def test_the_tests_themselves_have_no_network(no_network, attempt):
    """The guard of tests/conftest.py is on: an attempt fails, and is remembered where the error is swallowed."""
    with pytest.raises(OSError, match="the tests have no network"):
        attempt()
    assert len(no_network) == 1
    no_network.clear()


def test_the_loopback_is_open_to_tests():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
