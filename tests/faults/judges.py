"""Judges behind a server on this machine that hangs, drips, fails, lies or talks too much."""

import itertools
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

from tests.faults.outcomes import HANG, LOST, SKIPPED, Trial, stopped
from tests.faults.workshop import SMALL, Workshop

KEY, PASSWORD = "sk-faults-0123456789abcdef", "hunter2-in-the-url"
TIMEOUT = 0.3
DEADLINE = 60.0  # seconds for three steps and two evaluations whose every question is in vain


def trials(shop: Workshop) -> Iterator[Trial]:
    """Each server once, or more often with other seeds; SIGINT while a judge is asked."""
    if find_spec("openai") is None:
        yield Trial("every judge", SKIPPED, "openai is not installed")
        return
    names = (
        list(SERVERS) if not shop.short else ["401 with the key", "gone in mid-run", *shop.rng.sample(list(SERVERS), 1)]
    )
    for name in names:
        for _ in range(shop.few(2, 1)):
            yield asked(shop, name)
    yield interrupted(shop)
    yield asked(shop, "nobody listens")


class Handler(BaseHTTPRequestHandler):
    """Answers as `answer` says."""

    answer: Callable[["Handler"], None]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            type(self).answer(self)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass

    def give(self, body: bytes, status: int = 200, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def verdict(words: object) -> bytes:
    """A reply in the protocol's form."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": words}}
    return json.dumps(
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    ).encode()


def _drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(TIMEOUT / 3)


def _reset(handler: Handler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.connection.close()


def _echo(handler: Handler) -> None:
    said = f"bad key {handler.headers.get('Authorization')} {KEY} for {PASSWORD}"
    handler.give(json.dumps({"error": {"message": said, "code": KEY}}).encode(), 401)


def _goes(handler: Handler) -> None:
    if next(_asked) < 6:  # in the second step, or so
        handler.give(verdict("1 > 2"))
    else:
        _reset(handler)


_asked = itertools.count()  # in the server's own process
SERVERS: dict[str, Callable[[Handler], None]] = {
    "hangs": lambda handler: time.sleep(120),
    "a slow drip": _drip,
    "reset": _reset,
    "gone in mid-run": _goes,
    "401 with the key": _echo,
    "403": lambda handler: handler.give(b"{}", 403),
    "404": lambda handler: handler.give(b"not here", 404, "text/plain"),
    "429": lambda handler: handler.give(b"{}", 429),
    "500": lambda handler: handler.give(b"{}", 500),
    "garbage": lambda handler: handler.give(os.urandom(300)),
    "half a reply": lambda handler: handler.give(verdict("better")[:40]),
    "another form": lambda handler: handler.give(b'{"choices": [{"message": null}]}'),
    "no choices": lambda handler: handler.give(b'{"choices": []}'),
    "null": lambda handler: handler.give(verdict(None)),
    "a list": lambda handler: handler.give(verdict(["better"])),
    "HTML": lambda handler: handler.give(b"<html>welcome</html>", 200, "text/html"),
    "200,000 blanks": lambda handler: handler.give(verdict(" " * 200_000)),
    "200,000 brackets": lambda handler: handler.give(verdict("[[" * 100_000)),
    "a million letters": lambda handler: handler.give(verdict("better? " * 130_000)),
    "the key as verdict": lambda handler: handler.give(verdict(f"{KEY} {PASSWORD}")),
    "nested JSON": lambda handler: handler.give(b"[" * 100_000),
}


class Server:
    """One of the servers, in a process of its own, since this one has no threads."""

    def __init__(self, answer: Callable[[Handler], None]) -> None:
        listening = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"answer": staticmethod(answer)}))
        self.port = listening.server_address[1]
        self.pid = os.fork()
        if self.pid == 0:
            try:
                listening.serve_forever()
            finally:
                os._exit(0)
        listening.server_close()

    def stop(self) -> None:
        """At once."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def flags(shop: Workshop) -> tuple[list[object], Path]:
    """A run of three steps with a judge, and its folder."""
    folder = shop.fresh()
    judge = ["--judge-model", "m", "--judge-timeout", TIMEOUT]
    own = ["--reward-funcs", "judge_helpful", *judge, "--max-steps", 3, "--num-generations", 2]
    return [*SMALL, *own, "--per-device-train-batch-size", 2, "--max-eval-prompts", 2, "--output-dir", folder], folder


def secrets(port: int) -> dict[str, str]:
    """The environment that names the judge: its key and its password must not be told."""
    return {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"http://user:{PASSWORD}@127.0.0.1:{port}/v1"}


def asked(shop: Workshop, name: str) -> Trial:
    """A run ends in time, in words, and keeps the key to itself."""
    server = Server(SERVERS.get(name, _reset))
    if name not in SERVERS:
        server.stop()
    try:
        arguments, folder = flags(shop)
        child = shop.start(arguments, name="judge", environment=secrets(server.port))
        ended = child.wait(DEADLINE)
    finally:
        if name in SERVERS:
            server.stop()
    trial = stopped(ended, (0, 1, 2), name)
    files = [path for path in folder.rglob("*") if path.is_file()]
    told = [path.name for path in files if tells(path.read_bytes().decode(errors="replace"))]
    told += [stream for stream, text in (("stdout", ended.out), ("stderr", ended.err)) if tells(text)]
    if told and not trial.bad:
        return Trial(name, LOST, f"the key or the password is in {', '.join(told)}")
    return trial


def tells(text: str) -> bool:
    """Whether a text holds a secret, or the better part of one."""
    return bool(re.search(re.escape(KEY[:14]) + "|" + re.escape(PASSWORD), text))


def interrupted(shop: Workshop) -> Trial:
    """SIGINT while the judge is asked."""
    fault, server = "SIGINT while a judge is asked", Server(SERVERS["hangs"])
    try:
        arguments, _ = flags(shop)
        arguments[arguments.index(TIMEOUT)] = 100
        child = shop.start(arguments, name="judge", environment=secrets(server.port))
        child.wait_for("collect", patience=4)
        time.sleep(0.5)
        began = time.monotonic()
        child.send(signal.SIGINT)
        ended = child.wait(15)
    finally:
        server.stop()
    took = time.monotonic() - began
    trial = stopped(ended, (130,), fault)
    return Trial(fault, HANG, f"{took:.1f} s") if not trial.bad and took > 5 else trial
