"""A server that is gone, slow, busy, guarded or somewhere else: told apart, waited for only where that helps."""

import base64
import socket
import time

import pytest

from amogus_search.converters.complaints import complaint, printable
from amogus_search.converters.server import Patience, Server
from amogus_search.converters.server_options import server_of
from amogus_search.errors import BackendGoneError, ConversionError, UsageError

QUICK = Patience(connect_timeout=20, timeout=30, retries=2, retry_wait=0.01)


def asking(server, patience=QUICK, auth=""):
    return Server(server.url, auth, patience, missing="look elsewhere")


def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_a_server_that_is_not_there_is_called_as_often_as_was_said():
    started = time.monotonic()
    patience = Patience(retries=2, retry_wait=0.05)
    with pytest.raises(BackendGoneError, match=r"cannot be reached.*is it running.*run the same command again"):
        Server(f"http://127.0.0.1:{closed_port()}", patience=patience).get("/x")
    assert time.monotonic() - started >= 0.15


def test_a_server_that_takes_no_call_is_given_up():
    """Its queue of calls is full, so the next one hangs."""
    with socket.socket() as deaf, socket.socket() as one, socket.socket() as two:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for caller in (one, two):
            caller.setblocking(False)
            caller.connect_ex(deaf.getsockname())
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(BackendGoneError, match="timed out"):
            Server(url, patience=Patience(connect_timeout=0.1, retries=0)).get("/x")


def test_a_busy_server_is_asked_again_and_its_own_waiting_time_is_kept(serve):
    times = []

    def busy(heard):
        times.append(time.monotonic())
        if len(times) == 1:
            return 429, {"detail": "queue full"}, {"Retry-After": "0.2"}
        return (503, b"") if len(times) == 2 else (200, b"well")

    assert asking(serve(busy)).get("/x") == b"well"
    assert times[1] - times[0] >= 0.2
    assert len(times) == 3


def test_a_server_that_stays_busy_ends_the_run(serve):
    server = serve(lambda heard: (429, {"detail": "queue full"}))
    with pytest.raises(BackendGoneError, match="429, it is too busy: queue full"):
        asking(server).get("/x")
    assert len(server.heard) == 3


def test_a_connection_that_breaks_off_is_tried_again(serve):
    left = [2]

    def shaky(heard):
        left[0] -= 1
        if left[0] == 1:
            return heard.drop()
        # Half of what was promised.
        return (200, b"half", {"Content-Length": "8"}) if left[0] == 0 and not heard.drop() else (200, b"whole")

    assert asking(serve(shaky)).get("/x") == b"whole"


def test_one_that_always_breaks_off_costs_one_picture(serve):
    with pytest.raises(ConversionError, match="broke off") as caught:
        asking(serve(lambda heard: heard.drop())).get("/x")
    assert not isinstance(caught.value, BackendGoneError)


def test_silence_costs_one_picture_and_a_second_one_the_run(serve):
    server = serve(lambda heard: heard.hang(0.4))
    asked = asking(server, Patience(timeout=0.1, retries=3, retry_wait=0))
    with pytest.raises(ConversionError, match=r"no answer within 0\.1 s.*timeout=SECONDS") as caught:
        asked.get("/x")
    assert not isinstance(caught.value, BackendGoneError)
    assert len(server.heard) == 1
    with pytest.raises(BackendGoneError, match="no answer"):
        asked.get("/x")


def test_an_answer_that_trickles_is_not_waited_for_for_ever(serve):
    def trickle(heard):
        heard.handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(200):
            heard.handler.wfile.write(b".")
            heard.handler.wfile.flush()
            time.sleep(0.05)

    started = time.monotonic()
    with pytest.raises(ConversionError, match=r"no answer within 0\.3 s"):
        asking(serve(trickle), Patience(timeout=0.3, retries=0)).get("/x")
    assert time.monotonic() - started < 8


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_password_ends_the_run_at_once(serve, status):
    server = serve(lambda heard: (status, {"detail": "Incorrect username or password"}))
    with pytest.raises(BackendGoneError, match=r"user or password are missing or wrong.*auth_file"):
        asking(server, auth="me:wrong").get("/x")
    assert len(server.heard) == 1


def test_user_and_password_go_along_and_into_no_name(serve, tmp_path):
    server = serve(lambda heard: (200, b"in"))
    (tmp_path / "auth").write_text("me:a:b@c\n")
    asked = server_of(server.url, {"auth_file": str(tmp_path / "auth")}, "")
    asked.get("/x")
    inside = Server(server.url.replace("//", "//me:a%3Ab%40c@"))
    inside.get("/x")
    said = [heard.headers["Authorization"] for heard in server.heard]
    assert said == ["Basic " + base64.b64encode(b"me:a:b@c").decode()] * 2
    assert asked.url == inside.url == server.url


def test_an_auth_file_is_one_line_with_a_colon(tmp_path):
    for text in ("me", "me:x\nyou:y\n", ""):
        (tmp_path / "auth").write_text(text)
        with pytest.raises(UsageError, match="USER:PASSWORD"):
            server_of("http://127.0.0.1:1", {"auth_file": str(tmp_path / "auth")}, "")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed_and_the_other_server_hears_nothing(serve, status):
    """A crop of somebody's photo goes where the user said, with the password, and nowhere else."""
    other = serve(lambda heard: (200, b"mine"))
    server = serve(lambda heard: (status, b"", {"Location": f"{other.url}/x"}))
    with pytest.raises(BackendGoneError, match=f"go to {other.url}/x"):
        asking(server, auth="me:x").ask("POST", "/x", b"a photo", "image/png")
    assert other.heard == []


def test_a_proxy_in_the_environment_is_not_used(serve, monkeypatch):
    other, server = serve(lambda heard: (200, b"proxy")), serve(lambda heard: (200, b"direct"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other.url)
    assert asking(server).get("/x") == b"direct"
    assert other.heard == []


def test_https_where_there_is_none_is_an_error_with_words(serve):
    url = serve(lambda heard: (200, b"")).url.replace("http:", "https:")
    with pytest.raises(BackendGoneError, match=r"cannot be reached.*SSL"):
        Server(url, patience=Patience(retries=0)).get("/x")


def test_paths_go_below_the_urls_own(serve):
    server = serve(lambda heard: (200, {"path": heard.path}))
    assert Server(f"{server.url}/sd/forge/", patience=QUICK).get_json("/x?a=1") == {"path": "/sd/forge/x"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:7860",
        "127.0.0.1",
        "ftp://x",
        "http://",
        "http://:80",
        "http://x:y",
        "http://x/?a=1",
        "http://x/#a",
        "http://x y",
        "http://x\r\nHost: y",
        "http://x:0",
        "http://[::1",
        "http://x:99999",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_url_of_a_server_is_refused(url):
    with pytest.raises(UsageError):
        Server(url)


def test_an_url_that_is_refused_does_not_show_its_password():
    with pytest.raises(UsageError) as caught:
        Server("htp://me:s3cret@host")
    assert "s3cret" not in str(caught.value)


def test_complaints_are_read_from_every_servers_json():
    assert complaint(b'{"detail": "Not Found"}') == "Not Found"
    assert complaint(b'{"detail": [{"loc": ["body", "x"], "msg": "not an int"}]}') == "not an int"
    comfy = b'{"error": {"type": "x", "message": "Bad value", "details": ""}, "node_errors": {"4": {"errors": '
    comfy += b'[{"message": "Value not in list", "details": "ckpt_name: x not in [y]"}]}}}'
    assert complaint(comfy) == "Bad value; Value not in list; ckpt_name: x not in [y]"
    assert complaint(b"<html>oh</html>") == ""
    assert complaint(b"3") == ""
    assert complaint(b"\xff\x1b[31mred") == "\ufffd [31mred"
    assert len(printable("x" * 9999)) < 310
