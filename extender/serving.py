"""gunicorn, set up to serve one extender: one worker, because counts have one owner (E10).

Owns the server's process model; must not know what is served.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from extender.server import Server

__all__ = ["DEFAULT_FILE", "serve"]

DEFAULT_FILE = Path(__file__).with_name("gunicorn.conf.py")

# Not for a file to change: a second worker would count on its own (E10), and threads start after the fork.
_FIXED = {"workers": 1, "worker_class": "gthread", "preload_app": False}


class _Serving(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    def __init__(self, build: Callable[[], Server], bind: str, file: Path) -> None:
        self._build = build
        self._bind = bind
        self._file = file
        super().__init__()

    def load_config(self) -> None:
        written: dict[str, Any] = {}
        exec(compile(self._file.read_text(), str(self._file), "exec"), written)  # noqa: S102  gunicorn's own format
        for name, value in {**written, **_FIXED, "bind": self._bind}.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:  # noqa: ANN401  a WSGI application
        # gunicorn calls this in the worker, after the fork: threads may start.
        server = self._build()
        server.start()
        return server.application


def serve(build: Callable[[], Server], bind: str, file: Path = DEFAULT_FILE) -> None:
    """Serve what `build` makes until SIGTERM or SIGINT. `bind` is HOST:PORT, `file` gunicorn's settings."""
    logging.getLogger("gunicorn").propagate = False
    _Serving(build, bind, file).run()
