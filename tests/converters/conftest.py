"""Servers on this machine that answer as they are told, and jobs for them."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest

from amogus_search.core.conversion import Job
from amogus_search.core.figure import Pose
from amogus_search.synth.fitting import fit_crewmate


@dataclass
class Heard:
    """One request as it came in; `handler` is for answers that are none."""

    method: str
    path: str
    query: dict
    headers: dict
    body: bytes
    handler: BaseHTTPRequestHandler

    @property
    def json(self):
        return json.loads(self.body)

    def drop(self):
        """Hang up without an answer."""
        self.handler.close_connection = True

    def hang(self, seconds):
        time.sleep(seconds)
        self.drop()


@dataclass
class Running:
    """A server; `heard` is what it was asked, in order."""

    http: ThreadingHTTPServer
    heard: list = field(default_factory=list)

    @property
    def port(self):
        return self.http.server_address[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def stop(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def serve():
    """Starts a server: `serve(answer)`, where `answer(heard)` gives status, body (bytes or JSON) and maybe headers."""
    running = []

    def start(answer, port=0):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                length = int(self.headers.get("Content-Length", 0))
                parts = urlsplit(self.path)
                query, body = dict(parse_qsl(parts.query)), self.rfile.read(length)
                heard = Heard(self.command, parts.path, query, dict(self.headers), body, self)
                server.heard.append(heard)
                given = answer(heard)
                if given is None:
                    return
                status, content, *more = given
                content = content if isinstance(content, bytes) else json.dumps(content).encode()
                headers = {"Content-Length": str(len(content)), **(more[0] if more else {})}
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the base class' name

            def log_message(self, *args):
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args):
                """Clients that hang up are no news."""

        server = Running(Quiet(("127.0.0.1", port), Handler))
        threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def make_job():
    """A job of any size; half of its mask is feather."""

    def make(width=64, height=64, **changes):
        box = np.array([width * 0.2, height * 0.2, width * 0.8, height * 0.8], np.float32)
        mask = np.zeros((height, width), np.float32)
        mask[height // 4 : height // 2, width // 4 : width // 2] = 1
        mask[height // 2 : 3 * height // 4, width // 4 : width // 2] = 0.25
        crop = np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)
        given = {"prompt": "a red crewmate", "negative_prompt": "text", "seed": 11, "strength": 0.6} | changes
        return Job(crop, mask, box, fit_crewmate(Pose(box, {})), **given)

    return make
