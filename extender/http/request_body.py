"""The body of a request, whole or refused."""

from typing import Protocol
from wsgiref.types import WSGIEnvironment

__all__ = ["BodyError", "read_body"]

_DIGITS = 18
_PIECE = 1 << 20


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
        BodyError: it is missing, empty, late, cut off, or larger than `limit` bytes.
    """
    stream: _Readable = environ["wsgi.input"]
    try:
        return _whole(stream, environ, limit)
    except (TimeoutError, BlockingIOError):
        raise BodyError(408, "the body did not arrive in time") from None


def _whole(stream: _Readable, environ: WSGIEnvironment, limit: int) -> bytes:
    declared = environ.get("CONTENT_LENGTH") or ""
    if not declared:
        # Without a length the server ends the stream itself only where the body is chunked.
        body = stream.read(limit + 1) if environ.get("wsgi.input_terminated") else b""
    elif not declared.isdecimal() or len(declared) > _DIGITS:
        raise BodyError(400, "Content-Length is no number of bytes")
    elif int(declared) > limit:
        _drop(stream, limit)
        raise BodyError(413, f"the body has {declared} bytes; the limit is {limit}")
    else:
        body = stream.read(int(declared))
        if len(body) < int(declared):
            raise BodyError(400, f"the body ended after {len(body)} of {declared} bytes")
    if len(body) > limit:
        _drop(stream, limit)
        raise BodyError(413, f"the body has more than {limit} bytes")
    if not body:
        raise BodyError(400, "the body is empty")
    return body


def _drop(stream: _Readable, most: int) -> None:
    """Read what is left, within reason: a client that is still sending does not read our answer."""
    while most > 0 and (piece := stream.read(_PIECE)):
        most -= len(piece)
