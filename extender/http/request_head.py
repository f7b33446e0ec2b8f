"""The head of a request as kube-scheduler writes it, told at a glance.

A head that differs anywhere (another header, order or case, a second length, chunks, an upgrade) is not
judged here: it is for a real parser, which sees the bytes unread. So nothing can be smuggled past that one.
"""

import re
from dataclasses import dataclass

__all__ = ["RequestHead", "parse_plain_head"]

_PLAIN = re.compile(
    rb"POST (/filter|/prioritize|/preempt) HTTP/1\.1\r\n"
    rb"Host: [!-~]{1,255}\r\n"
    rb"User-Agent: [ -~]{1,255}\r\n"
    rb"Content-Length: ([1-9][0-9]{0,8})\r\n"
    rb"Content-Type: application/json\r\n"
    rb"Accept-Encoding: gzip\r\n"
    rb"\r\n"
)


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Of a request whose body follows in `length` bytes."""

    path: str
    length: int
    size: int
    """Of the head itself, in bytes."""


def parse_plain_head(received: bytes) -> RequestHead | None:
    """The head at the beginning, if it has the form above."""
    found = _PLAIN.match(received)
    if found is None:
        return None
    return RequestHead(found[1].decode(), int(found[2]), found.end())
