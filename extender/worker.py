"""A gunicorn worker in which a busy connection stays with its thread.

gthread hands every request of a kept-alive connection from its main loop to a thread and back, which costs a
small request more than its answer (python-stack.md, section 1). Owns how long a thread waits for the next
request, and when it gives a peer up; must not know what is served.
"""

import select
import socket
from contextlib import suppress
from threading import Semaphore
from typing import Any

from gunicorn import util
from gunicorn.workers import gthread

__all__ = ["HoldWorker"]

_HOLD_MS = 250
_FIRST_BYTE_SECONDS = 0.05
_END_OF_HEAD = b"\r\n\r\n"
_LONGEST_HEAD = 1 << 16
_PIECE = 1 << 16


class HoldWorker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Idle connections go back to the main loop, and half of the threads never wait: probes get theirs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  gunicorn's, untyped
        super().__init__(*args, **kwargs)
        self._waiting = Semaphore(self.cfg.threads // 2)

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
        # gunicorn's parser would report a peer that stalls as an error of the server.
        return super().handle(conn) if self._head_is_in(conn) else False

    def _head_is_in(self, conn: Any) -> bool:  # noqa: ANN401  as above
        """Wait until the parser has a whole head before it, or all that the peer will ever send."""
        unreader = conn.parser.unreader
        head = unreader.take_buffered()
        try:
            while _END_OF_HEAD not in head:
                if len(head) > _LONGEST_HEAD:
                    util.write_error(conn.sock, 431, "Request Header Fields Too Large", "")
                    return False
                piece = conn.sock.recv(_PIECE)
                if not piece:
                    break
                head += piece
        except OSError as error:
            self.log.info("A peer went away in the head of a request: %s", error)
            return False
        unreader.unread(head)
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


def _part_with(peer: socket.socket) -> None:
    """Wait here for the peer to close: the main loop, which closes, would wait for it and accept nobody."""
    with suppress(OSError):
        util.close_graceful(peer.dup())
        peer.shutdown(socket.SHUT_RDWR)
