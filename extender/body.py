"""The body of a request, whole or refused.

Owns the size limit and both ways of framing; must not know what is in it.
"""

from typing import Protocol
from wsgiref.types import WSGIEnvironment

__all__ = ["BodyError", "read_body"]


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class BodyError(ValueError):
    """No usable body; `status` is the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def read_body(environ: WSGIEnvironment, limit: int) -> bytes:
    """The body of a WSGI request.

    Raises:
        BodyError: it is missing, empty, cut off, or larger than `limit` bytes.
    """
    stream: _Readable = environ["wsgi.input"]
    declared = environ.get("CONTENT_LENGTH") or ""
    if not declared:
        # Without a length the server ends the stream itself only where the body is chunked.
        body = stream.read(limit + 1) if environ.get("wsgi.input_terminated") else b""
    elif not declared.isdecimal():
        raise BodyError(400, "Content-Length is no number")
    elif int(declared) > limit:
        raise BodyError(413, f"the body has {declared} bytes; the limit is {limit}")
    else:
        body = stream.read(int(declared))
        if len(body) < int(declared):
            raise BodyError(400, f"the body ended after {len(body)} of {declared} bytes")
    if len(body) > limit:
        raise BodyError(413, f"the body has more than {limit} bytes")
    if not body:
        raise BodyError(400, "the body is empty")
    return body
