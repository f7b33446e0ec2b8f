"""A watch: the events of a collection as they come, until somebody stops it.

Facts: a watch is one response that never ends, an event per line.
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Self

import urllib3

from dev.controlplane.api import Api, Object

__all__ = ["Watch"]


class Watch:
    """Iterate over (type, object); `stop` may come from any thread and ends the iteration."""

    def __init__(self, api: Api, path: str, **query: str) -> None:
        self._stopped = threading.Event()
        self._response = api.send("GET", path, query={"watch": "true", **query}, stream=True)

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        buffer = b""
        while not self._stopped.is_set():
            try:
                chunk = self._response.read1()
            except (urllib3.exceptions.HTTPError, OSError, ValueError):
                if self._stopped.is_set():
                    return
                raise
            if not chunk:
                return
            *lines, buffer = (buffer + chunk).split(b"\n")
            for line in lines:
                event = json.loads(line)
                yield event["type"], event["object"]

    def stop(self) -> None:
        self._stopped.set()
        # The second time, and once the response has ended, there is nothing left to shut down.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            self._response.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._response.close()
