"""Watches that are read in the background: what happened, as an observer from outside sees it."""

from collections.abc import Callable, Mapping
from threading import Lock, Thread
from typing import Self

from dev.controlplane.api import Api, Object
from dev.controlplane.watch import Watch

__all__ = ["Handler", "Recorder", "RecorderError"]

_JOIN_SECONDS = 5.0

Handler = Callable[[str, Object], None]
"""Takes the type of an event and its object."""


class RecorderError(Exception):
    """A watch ended that nobody stopped: what was recorded is not all."""


class Recorder:
    """Use as a context. A handler runs as an event arrives, under `lock`: one at a time.

    `handlers` maps the path of a collection to its handler; `query` goes with every watch.
    """

    def __init__(self, api: Api, handlers: Mapping[str, Handler], **query: str) -> None:
        self.lock = Lock()
        self._ended: list[str] = []
        self._stopping = False
        self._watches = {path: Watch(api, path, **query) for path in handlers}
        self._threads = [
            Thread(target=self._read, args=(path, handler), name=f"watch {path}", daemon=True)
            for path, handler in handlers.items()
        ]

    def start(self) -> None:
        """Read the watches, which began with the construction."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the watches."""
        self._stopping = True
        for watch in self._watches.values():
            watch.stop()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)

    def require_complete(self) -> None:
        """Raise RecorderError if a watch has ended."""
        if self._ended:
            raise RecorderError(self._ended[0])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _read(self, path: str, handle: Handler) -> None:
        why = "it ended"
        try:
            for event, seen in self._watches[path]:
                if event == "ERROR":
                    why = str(seen.get("message", ""))
                    break
                with self.lock:
                    handle(event, seen)
        except Exception as error:  # noqa: BLE001  whatever it is, the main thread has to say it
            why = f"{type(error).__name__}: {error}"
        if not self._stopping:
            self._ended.append(f"the watch of {path} is over: {why}")
