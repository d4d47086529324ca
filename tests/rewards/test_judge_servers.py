"""A judge's server that misbehaves on the wire, an interruption while it is asked, and a key that it echoes."""

import gzip
import json
import re
import signal
import socket
import threading
import time
import warnings
from contextlib import contextmanager, suppress

import pytest

from grao_ref.rewards.judge import Judge, JudgeGoneError, JudgeSettings
from grao_ref.rewards.waiting import Waiter
from tests.processes import script
from tests.rewards.endpoint import serving
from tests.rewards.test_judge import ask, judging, loopback_only

pytest.importorskip("openai", reason="the extra [judge] is not installed")
__all__ = ["loopback_only"]  # the fixture is for every test here too
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
MOST = 300  # bytes that a dripping server sends, 15 s: were it not given up, it would end by itself
KEY = "sk/very+secret=key-0123456789"


def body_of(reply):
    message = {"role": "assistant", "content": reply}
    choices = [{"index": 0, "finish_reason": "stop", "message": message}]
    return json.dumps({"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": choices}).encode()


class Wire:
    """A server on loopback that calls `behave(connection, number, over)` once a request has arrived."""

    def __init__(self, behave):
        self.behave, self.requests, self.over = behave, 0, threading.Event()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/v1"
        self.arrived = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:  # closed
                return
            self.requests += 1
            threading.Thread(target=self._answer, args=(connection, self.requests), daemon=True).start()

    def _answer(self, connection, number):
        with connection, suppress(OSError):  # the judge has hung up
            read_request(connection)
            self.arrived.set()
            self.behave(connection, number, self.over)


def read_request(connection):
    """All of it: a connection that is closed on unread bytes is reset, and the answer lost."""
    with connection.makefile("rb") as file:
        length = 0
        while (line := file.readline()).strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        file.read(length)


@contextmanager
def wired(behave, **settings):
    """A judge and the server that it asks."""
    server = Wire(behave)
    settings = {"base_url": server.url, "model": "m", "timeout": 20.0, "max_retries": 0} | settings
    judge = Judge("helpful", JudgeSettings(**settings))
    try:
        yield judge, server
    finally:
        server.over.set()
        server.listening.close()
        judge.close()


def whole(connection, body, head=HEAD):
    connection.sendall(head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)


def drips(connection, number, over):
    """A byte of the body now and then: no read takes long."""
    connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n")
    for _ in range(MOST):
        connection.sendall(b" ")
        over.wait(0.05)


def drips_headers(connection, number, over):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(MOST):
        connection.sendall(b"X-More: yes\r\n")
        over.wait(0.05)


def hangs(connection, number, over):
    over.wait(300)


def resets(connection, number, over):
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def garbage(connection, number, over):
    connection.sendall(bytes(range(256)) * 10)


def ends_early(connection, number, over):
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{}")


def answers(body, head=HEAD):
    return lambda connection, number, over: whole(connection, body, head)


HTML = b"<html><body>" + b"busy " * 1000 + b"</body></html>"
DEEP = b"[" * 200_000 + b"]" * 200_000
SERVERS = {
    "resets": resets,
    "garbage": garbage,
    "ends early": ends_early,
    "html": answers(HTML, HEAD.replace(b"application/json", b"text/html")),
    "html that says it is json": answers(HTML),
    "no json": answers(b"{'choices': 1"),
    "a number": answers(b"1"),
    "null": answers(b"null"),
    "a list": answers(b"[]"),
    "choices without a message": answers(b'{"choices": [{}]}'),
    "choices that are a number": answers(b'{"choices": 3}'),
    "choices by name": answers(b'{"choices": {"0": 1}}'),
    "content that is a list": answers(b'{"choices": [{"message": {"content": [1]}}]}'),
    "nested too deeply": answers(DEEP),
    "not utf-8": answers(b'{"choices": "\xff\xfe"}'),
    "nothing": answers(b""),
    "not gzip": answers(b"1 > 2", HEAD + b"Content-Encoding: gzip\r\n"),
    "an endless redirect": answers(b"", HEAD.replace(b"200 OK", b"307 Moved") + b"Location: /v1/chat/completions\r\n"),
    "a redirect to nowhere": answers(b"", HEAD.replace(b"200 OK", b"307 Moved") + b"Location: gopher://x y/\r\n"),
}


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_that_misbehaves_is_said_in_a_line(server):
    with wired(SERVERS[server], max_retries=1) as (judge, _), pytest.raises(JudgeGoneError) as caught:
        ask(judge, "a", "b")
    assert re.match(r"the judge 'm' at http://127.* answered none of 2 questions", str(caught.value))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_control_a_server_that_behaves_is_understood():
    with wired(answers(body_of("1 > 2"))) as (judge, _):
        assert ask(judge, "a", "b") == [1.0, 1.0]
    body = gzip.compress(body_of("1 < 2"))
    with wired(answers(body, HEAD + b"Content-Encoding: gzip\r\n")) as (judge, _):
        assert ask(judge, "a") == [-1.0]


@pytest.mark.parametrize("behave", [drips, drips_headers, hangs])
def test_a_time_out_is_a_deadline_for_each_attempt(behave):
    """A server that sends a byte now and then is given up too. It held a time-out of 1 s for 21 s before."""
    begun = time.monotonic()
    with wired(behave, timeout=0.5, max_retries=1) as (judge, server):
        with pytest.raises(JudgeGoneError, match="APITimeoutError"):
            ask(judge, "a", "b")
        assert server.requests == 4  # two attempts at each
    assert time.monotonic() - begun < 60


def test_a_server_that_drips_once_is_asked_again():
    def recovers(connection, number, over):
        drips(connection, number, over) if number == 1 else whole(connection, body_of("1 > 2"))

    with wired(recovers, timeout=1.0, max_retries=2) as (judge, server):
        assert ask(judge, "a") == [1.0]
        assert server.requests == 2


@pytest.mark.parametrize("reply", [" " * 5_000_000, "1 =" * 1_000_000, "\n" * 2_000_000, "1" * 3_000_000])
def test_a_huge_reply_is_no_verdict(reply):
    with wired(answers(body_of(reply))) as (judge, _), pytest.warns(RuntimeWarning, match="without a verdict"):
        assert ask(judge, "a") == [None]
    with wired(answers(body_of(reply[:2] * 10 + "\n1 > 2"))) as (judge, _):
        ask(judge, "a")  # control: it is read to its end


HANGING = """
import sys
from grao_ref.rewards.judge import Judge, JudgeSettings
judge = Judge("helpful", JudgeSettings(base_url=sys.argv[1], model="m", timeout=300, max_retries=3))
try:
    judge(prompts=["p"] * 20, completions=[str(n) for n in range(20)], references=["x"] * 20)
finally:
    print("left the call", flush=True)
"""


def test_ctrl_c_while_a_judge_is_asked_ends_the_process():
    server = Wire(hangs)
    process = script(HANGING, server.url)
    try:
        assert server.arrived.wait(120), process.poll()
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)  # the questions' own time-outs would be twenty minutes
    finally:
        process.kill()
        server.over.set()
        server.listening.close()
    assert said == "left the call\n"
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert process.returncode in (1, -signal.SIGINT, 130)


def echoes_key(connection, number, over):
    """What some gateways do: the request's headers stand in the error, with the key."""
    told = json.dumps({"error": {"message": f"no such key: {KEY}, Authorization: Bearer {KEY}"}}).encode()
    whole(connection, told, HEAD.replace(b"200 OK", b"401 Unauthorized"))


def test_a_key_that_the_server_echoes_is_in_no_message(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with wired(echoes_key) as (judge, _):
        with pytest.raises(JudgeGoneError) as caught:
            ask(judge, "a")
        with pytest.raises(ValueError, match=r"can't be reached: AuthenticationError.*no such key: …") as checked:
            judge.check()
    assert KEY not in str(caught.value) + str(checked.value)
    assert "no such key: …" in str(caught.value)
    with judging(lambda asked: f"my key is {KEY}") as (judge, _), pytest.raises(ValueError, match="is …") as checked:
        judge.check()
    assert KEY not in str(checked.value)


def test_credentials_of_the_environment_s_url_are_used_and_never_shown(monkeypatch):
    with serving(lambda asked: 500 if "alas" in asked else "1 > 2") as server:
        url = server.url.replace("http://", "http://alice:opensesame@") + "?api_key=hushhush&n=1"
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        judge = Judge("helpful", JudgeSettings(model="m", max_retries=0))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            ask(judge, "alas", "fine")
        with pytest.raises(JudgeGoneError) as gone:
            ask(judge, "alas again")
        judge.close()
    assert any(issubclass(warning.category, RuntimeWarning) for warning in caught)
    for message in [*(str(warning.message) for warning in caught), str(gone.value)]:
        assert not re.search("alice|opensesame|hushhush", message)
    assert "http://…@127.0.0.1" in str(gone.value)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/v1", "http://", "http://[::1/v1", "http://h:port99/v1"])
def test_what_is_no_url_is_refused_in_a_line(url):
    def check():
        Judge("helpful", JudgeSettings(base_url=url, model="m", max_retries=0)).check()

    with pytest.raises(ValueError, match=r"the judge 'm' at .* can't be (asked|reached)") as caught:
        check()
    assert "\n" not in str(caught.value)


def test_a_waiter_is_not_needed_to_close_what_was_never_opened():
    assert Waiter().wait([]) == []
