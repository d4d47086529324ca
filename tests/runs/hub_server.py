"""A small stand-in for the Hugging Face hub on loopback: the requests that an upload makes, and the files it brings.

It speaks the hub's protocol as `huggingface_hub` calls it: who am I, create a repository, check a card, ask how files
are sent (here: all within the commit), commit.
"""

import base64
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN, USER = "hf_right", "someone"


class StandIn:
    """`files`: repository -> path -> content. `refuses`: paths below /api that answer with an error."""

    def __init__(self, refuses: tuple[str, ...] = ()) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.asked: list[str] = []
        self.refuses = refuses
        self.address = ""

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, dict]:
        self.asked.append(f"{method} {path}")
        if token != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid username or password."}
        if any(path.startswith(f"/api/{refused}") for refused in self.refuses):
            return 403, {"error": "This token may not write"}
        if path == "/api/whoami-v2":
            return 200, {"type": "user", "name": USER, "auth": {"accessToken": {"role": "write"}}}
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or USER}/{asked['name']}"
            self.files.setdefault(name, {})
            return 200, {"url": f"{self.address}/{name}", "name": name, "id": name}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", path):
            files = json.loads(body)["files"]
            return 200, {
                "files": [
                    {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                    for each in files
                ]
            }
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.files[found[1]][line["value"]["path"]] = content
            return 200, {"commitOid": "0" * 40, "commitUrl": f"{self.address}/{found[1]}/commit/{'0' * 40}"}
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/main)?", path):
            return 200, {"id": found[1], "sha": "0" * 40, "siblings": []}
        return 404, {"error": f"the stand-in knows no {path}"}


@contextmanager
def stand_in(**options):
    """A running one; its `address` is what HF_ENDPOINT names."""
    hub = StandIn(**options)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code, answer = hub.answer(
                self.command, self.path.split("?")[0], self.headers.get("Authorization") or "", body
            )
            text = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_HEAD = handle_any  # noqa: N815 the names that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
