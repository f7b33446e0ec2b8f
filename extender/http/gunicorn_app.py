"""gunicorn, set up to serve one extender: one worker, because counts have one owner (E10)."""

import logging
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from extender.http.keepalive_worker import KeepaliveWorker
from extender.server import Server

__all__ = ["DEFAULT_FILE", "serve"]

log = logging.getLogger(__name__)

_READ_TIMEOUT = struct.pack("ll", 5, 0)
"""A C timeval. kube-scheduler gives up after 2 s."""

DEFAULT_FILE = Path(__file__).with_name("gunicorn.conf.py")


def _stay_alone(arbiter: Any, new: int, _old: int | None) -> None:  # noqa: ANN401  gunicorn's, untyped
    """SIGTTIN asks for another worker, which would count on its own (E10)."""
    if new != 1:
        log.error("asked for %d workers: one decides, so there is one", new)
        arbiter._num_workers = 1  # noqa: SLF001  its setter calls this hook


def _bound_reads(worker: Any) -> None:  # noqa: ANN401  as above
    """A peer that vanished in the middle of a request must not keep a thread; connections inherit this."""
    for listener in worker.sockets:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _READ_TIMEOUT)


# Not for a file to change: a second worker would count on its own, and threads start after the fork.
_FIXED = {
    "workers": 1,
    "worker_class": KeepaliveWorker,
    "preload_app": False,
    "nworkers_changed": _stay_alone,
    "post_worker_init": _bound_reads,
}


class _GunicornApp(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    def __init__(self, build: Callable[[], Server], bind: str, file: Path) -> None:
        self._build = build
        self._bind = bind
        self._file = file
        self._server: Server | None = None
        super().__init__()

    def load_config(self) -> None:
        written: dict[str, Any] = {}
        exec(compile(self._file.read_text(), str(self._file), "exec"), written)  # noqa: S102  gunicorn's own format
        fixed = {**_FIXED, "bind": self._bind, "worker_exit": self._leave}
        for name, value in {**written, **fixed}.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:  # noqa: ANN401  a WSGI application
        # gunicorn calls this in the worker, after the fork: threads may start.
        self._server = self._build()
        self._server.start()
        return self._server.application

    def _leave(self, _arbiter: object, _worker: object) -> None:
        if self._server is not None:
            self._server.stop()


def serve(build: Callable[[], Server], bind: str, file: Path = DEFAULT_FILE) -> None:
    """Serve what `build` makes until SIGTERM or SIGINT. `bind` is HOST:PORT, `file` gunicorn's settings."""
    logging.getLogger("gunicorn").propagate = False
    _GunicornApp(build, bind, file).run()
