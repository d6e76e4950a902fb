"""A server on the loopback interface that offers one file and misbehaves, as the path asks for."""

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class MisbehavingServer:
    """A context manager; `url("cut_off")` is the address at which the server does that.

    Attributes:
        content: the file.
        requests: path and `Range` header of each request so far.
    """

    def __init__(self, content: bytes):
        self.content = content
        self.requests = []
        self.closing = threading.Event()

    def __enter__(self):
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.http.owner = self
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()  # ends what hangs
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    def url(self, behaviour: str) -> str:
        port = 1 if behaviour == "refuse" else self.http.server_port  # nothing listens at 1
        return f"http://127.0.0.1:{port}/{behaviour}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.content = self.server.owner.content
        self.half = len(self.content) // 2
        self.range = self.headers["Range"]
        self.server.owner.requests.append((self.path[1:], self.range))
        with suppress(ConnectionError):  # the client has had enough
            getattr(self, self.path[1:])()

    def log_message(self, *_):
        pass

    def start(self, length=None, content_type="application/gzip"):
        """Send the head of an answer, and return the bytes that are asked for."""
        first = int(self.range.removeprefix("bytes=").removesuffix("-")) if self.range else 0
        rest = self.content[first:]
        self.send_response(206 if self.range else 200)
        if self.range:
            last = len(self.content) - 1
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(self.content)}")
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(rest) if length is None else length))
        self.end_headers()
        return rest

    def send_slowly(self, content, step, pause):
        for i in range(0, len(content), step):
            self.wfile.write(content[i : i + step])
            if self.server.owner.closing.wait(pause):
                return

    def fine(self):
        self.wfile.write(self.start())

    def missing(self):
        self.send_error(404)

    def busy_then_fine(self):
        if self.server.owner.requests.count(("busy_then_fine", None)) == 1:
            self.send_error(503)
        else:
            self.fine()

    def drip(self):
        """Send the head of an answer byte by byte."""
        self.send_slowly(b"HTTP/1.1 200 OK\r\nX: " + 1000 * b"x", 1, 0.1)

    def hang_half_way(self):
        """Send half of what is asked for, and keep the connection open."""
        self.cut_off()
        self.server.owner.closing.wait()

    def cut_off(self):
        """Send half of what is asked for."""
        rest = self.start()
        self.wfile.write(rest[: len(rest) // 2])

    def cut_off_once(self):
        rest = self.start()
        self.wfile.write(rest if self.range else rest[: self.half])

    def wrong_bytes(self):
        self.content = bytes(len(self.content))
        self.wfile.write(self.start())

    def web_page(self):
        self.range = None
        self.content = b"<!DOCTYPE html><title>Log in</title>"
        self.wfile.write(self.start(content_type="text/html; charset=utf-8"))

    def endless(self):
        self.send_response(200)
        self.end_headers()
        while not self.server.owner.closing.is_set():
            self.wfile.write(self.content)

    def trickle(self):
        self.send_slowly(self.start(), 1, 0.02)

    def slow(self):
        self.send_slowly(self.start(), 500, 0.02)

    def claim_more(self):
        self.wfile.write(self.start(length=len(self.content) + 1))

    def without_ranges(self):
        self.range = None
        self.wfile.write(self.start())

    def wrong_range(self):
        if self.range:
            self.range = "bytes=1-"
        self.wfile.write(self.start())

    def garbage(self):
        self.wfile.write(b"220 this is not HTTP\r\n\r\n")
