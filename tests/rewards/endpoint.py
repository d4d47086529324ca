"""A real HTTP server on loopback with the part of OpenAI's protocol that a judge needs."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Endpoint:
    """`replies(text)` returns the judge's answer: text, a status code, or bytes that are sent unchanged."""

    def __init__(self, replies):
        self.replies, self.asked, self.at_once, self.most_at_once = replies, [], 0, 0
        self.requests, self.lock, self.released = [], threading.Lock(), threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                endpoint.answer(self)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def answer(self, request):
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        text = body["messages"][-1]["content"]
        with self.lock:
            self.asked.append(text)
            self.requests.append((request.path, body))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            reply = self.replies(text)
        finally:
            with self.lock:
                self.at_once -= 1
        status = reply if isinstance(reply, int) else 200
        message = {"role": "assistant", "content": reply}
        content = {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"]}
        content["choices"] = [{"index": 0, "finish_reason": "stop", "message": message}]
        data = reply if isinstance(reply, bytes) else json.dumps(content).encode()
        try:
            request.send_response(status)
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(data)))
            request.send_header("retry-after-ms", "1")
            request.end_headers()
            request.wfile.write(data)
        except OSError:
            pass  # the client has closed the connection: a time-out


@contextmanager
def serving(replies):
    """An endpoint that runs until the end of the block."""
    endpoint = Endpoint(replies)
    thread = threading.Thread(target=endpoint.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.released.set()
        endpoint.server.shutdown()
        thread.join()
        endpoint.server.server_close()
