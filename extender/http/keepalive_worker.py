"""A gunicorn worker in which a busy connection stays with its thread, and plain requests skip WSGI.

gthread hands every request of a kept-alive connection from its main loop to a thread and back, which costs a
small request more than its answer (docs/design/python-stack.md, section 1).
"""

import select
import socket
import time
from contextlib import suppress
from functools import lru_cache
from threading import Semaphore
from typing import Any, Protocol

from gunicorn import util
from gunicorn.workers import gthread

from extender.http.request_head import RequestHead, parse_plain_head

__all__ = ["KeepaliveWorker"]

_HOLD_MS = 250
_FIRST_BYTE_SECONDS = 0.05
_END_OF_HEAD = b"\r\n\r\n"
_LONGEST_HEAD = 1 << 16
_PIECE = 1 << 16


class Reply(Protocol):
    """What is answered to a plain request, as JSON."""

    @property
    def status(self) -> str:
        """Code and phrase."""

    @property
    def body(self) -> bytes:
        """Not empty."""


class ReplyingApplication(Protocol):
    """What the WSGI application can do besides."""

    @property
    def body_limit(self) -> int:
        """A longer one is for the WSGI callable to refuse."""

    def reply(self, path: str, body: bytes) -> Reply:
        """Answer a POST; no exception leaves it."""


class KeepaliveWorker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Idle connections go back to the main loop, and half of the threads never wait: probes get theirs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  gunicorn's, untyped
        super().__init__(*args, **kwargs)
        self._waiting = Semaphore(self.cfg.threads // 2)

    def set_accept_enabled(self, enabled: Any) -> None:  # noqa: ANN401  as above
        """Once it ends, who comes is refused at once: gunicorn lets them wait for the answers under way."""
        super().set_accept_enabled(enabled)
        if not (enabled or self.alive):
            for listener in self.sockets:
                listener.close()

    def handle(self, conn: Any) -> Any:  # noqa: ANN401  as above
        """Serve requests while they come; whether to keep the connection. Runs in a thread of the pool."""
        if self.cfg.is_ssl:
            return super().handle(conn)
        kept = self._serve(conn)
        while kept is True and self._comes_soon(conn):
            kept = self._serve(conn)
        if not kept:
            _part_with(conn.sock)
        return kept

    def _serve(self, conn: Any) -> Any:  # noqa: ANN401  as above
        if not conn.initialized and not conn.wait_for_data(_FIRST_BYTE_SECONDS):
            return gthread._DEFER  # noqa: SLF001  what handle() returns for it
        conn.sock.settimeout(None)
        conn.init()
        received = self._head(conn)
        if received is None:
            return False
        head = parse_plain_head(received) if self.alive else None
        if head is not None and head.length <= self.wsgi.body_limit:
            end = head.size + head.length
            body = _whole(conn.sock, received[head.size : end], head.length)
            if len(body) == head.length:
                conn.parser.unreader.unread(received[end:])
                return self._reply(conn.sock, head, body)
            received = received[: head.size] + body
        conn.parser.unreader.unread(received)
        return super().handle(conn)

    def _head(self, conn: Any) -> bytes | None:  # noqa: ANN401  as above
        """A whole head and what came with it, or all that the peer will ever send; None if it is given up.

        gunicorn's parser would report a peer that stalls as an error of the server.
        """
        received: bytes = conn.parser.unreader.take_buffered()
        try:
            while _END_OF_HEAD not in received:
                if len(received) > _LONGEST_HEAD:
                    util.write_error(conn.sock, 431, "Request Header Fields Too Large", "")
                    return None
                piece = conn.sock.recv(_PIECE)
                if not piece:
                    break
                received += piece
        except OSError as error:
            self.log.info("A peer went away in the head of a request: %s", error)
            return None
        return received

    def _reply(self, peer: socket.socket, head: RequestHead, body: bytes) -> bool:
        application: ReplyingApplication = self.wsgi
        reply = application.reply(head.path, body)
        try:
            peer.sendall(_framed(reply, int(time.time())))
        except OSError as error:
            self.log.info("A peer went away before its answer: %s", error)
            return False
        return True

    def _comes_soon(self, conn: Any) -> bool:  # noqa: ANN401  as above
        if conn.parser.unreader.buf.getvalue():
            return True  # it came in one packet with the last
        if not self.alive or not self._waiting.acquire(blocking=False):
            return False
        try:
            readable = select.poll()
            readable.register(conn.sock, select.POLLIN)
            return bool(readable.poll(_HOLD_MS))
        finally:
            self._waiting.release()


def _whole(peer: socket.socket, begun: bytes, length: int) -> bytes:
    """The body; less of it, if the rest does not come."""
    if len(begun) < length:
        with suppress(OSError):
            return begun + peer.recv(length - len(begun), socket.MSG_WAITALL)
    return begun


def _framed(reply: Reply, now: int) -> bytes:
    return b"HTTP/1.1 %b\r\nDate: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        reply.status.encode(),
        _date(now),
        len(reply.body),
        reply.body,
    )


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    date: str = util.http_date(second)
    return date.encode()


def _part_with(peer: socket.socket) -> None:
    """Wait here for the peer to close: the main loop, which closes, would wait for it and accept nobody."""
    with suppress(OSError):
        util.close_graceful(peer.dup())
        peer.shutdown(socket.SHUT_RDWR)
