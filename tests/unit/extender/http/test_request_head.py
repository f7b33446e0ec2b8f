"""What is taken for a plain request, and that gunicorn's parser would have taken it for the same."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from gunicorn.config import Config
from gunicorn.http import RequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from extender.http.request_head import RequestHead, parse_plain_head

BODY = b'{"Pod":{}}'
LINES = (
    b"POST /filter HTTP/1.1",
    b"Host: 127.0.0.1:8888",
    b"User-Agent: Go-http-client/1.1",
    b"Content-Length: 10",
    b"Content-Type: application/json",
    b"Accept-Encoding: gzip",
)
"""As Go writes it (net/http, Request.write), and as the conformance tests see it come."""


def head_of(*lines: bytes) -> bytes:
    return b"\r\n".join([*lines, b"", b""])


PLAIN = head_of(*LINES)


def changed(place: int, *lines: bytes) -> bytes:
    """The plain head with other lines in one place."""
    return head_of(*LINES[:place], *lines, *LINES[place + 1 :])


@pytest.mark.parametrize("verb", ["filter", "prioritize", "preempt"])
def test_what_kube_scheduler_writes_is_plain(verb: str) -> None:
    head = PLAIN.replace(b"/filter", b"/" + verb.encode())
    assert parse_plain_head(head + BODY) == RequestHead(f"/{verb}", len(BODY), len(head))


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(changed(0, b"GET /filter HTTP/1.1"), id="another method"),
        pytest.param(changed(0, b"POST /filter HTTP/1.0"), id="another version"),
        pytest.param(changed(0, b"POST /bind HTTP/1.1"), id="another path"),
        pytest.param(changed(0, b"POST /filter?x=1 HTTP/1.1"), id="a query"),
        pytest.param(changed(0, b"POST http://x/filter HTTP/1.1"), id="an absolute target"),
        pytest.param(changed(0, b"POST  /filter HTTP/1.1"), id="two spaces"),
        pytest.param(changed(0, b"", LINES[0]), id="an empty line first"),
        pytest.param(changed(1, b"Host: x", b"Host: y"), id="two hosts"),
        pytest.param(changed(1, b"Host:x"), id="no space"),
        pytest.param(changed(1, b"Host: x\x00"), id="a null byte"),
        pytest.param(changed(1, b"Host: x\r y"), id="a bare carriage return"),
        pytest.param(changed(1, b"Host: x\n y"), id="a folded line"),
        pytest.param(changed(1), id="no host"),
        pytest.param(changed(2, b"User-Agent: \xc3\xa4"), id="letters beyond ASCII"),
        pytest.param(changed(2, b"User-Agent: " + b"x" * 256), id="a long value"),
        pytest.param(changed(3), id="no length"),
        pytest.param(changed(3, LINES[3], LINES[3]), id="the length twice"),
        pytest.param(changed(3, LINES[3], b"Content-Length: 11"), id="two lengths"),
        pytest.param(changed(3, b"Content-Length: 0"), id="length 0"),
        pytest.param(changed(3, b"Content-Length: 010"), id="a length with a zero first"),
        pytest.param(changed(3, b"Content-Length: +10"), id="a length with a sign"),
        pytest.param(changed(3, b"Content-Length: -10"), id="a negative length"),
        pytest.param(changed(3, b"Content-Length: 0x0a"), id="a length in hexadecimal"),
        pytest.param(changed(3, b"Content-Length: 10, 10"), id="a list of lengths"),
        pytest.param(changed(3, b"Content-Length: 10 "), id="a space after the length"),
        pytest.param(changed(3, b"Content-Length : 10"), id="a space before the colon"),
        pytest.param(changed(3, b"Content-Length: 1_0"), id="a length as Python reads it"),
        pytest.param(changed(3, "Content-Length: \u0661\u0660".encode()), id="digits of another script"),
        pytest.param(changed(3, b"Content-Length: 1234567890"), id="ten digits"),
        pytest.param(changed(3, b"Transfer-Encoding: chunked"), id="chunked"),
        pytest.param(changed(3, LINES[3], b"Transfer-Encoding: chunked"), id="chunked, and a length"),
        pytest.param(changed(5, LINES[5], b"Transfer-Encoding: chunked"), id="chunked at the end"),
        pytest.param(changed(5, LINES[5], b"Connection: close"), id="to be closed"),
        pytest.param(changed(5, LINES[5], b"Expect: 100-continue"), id="expects"),
        pytest.param(changed(5, b"X-A: b"), id="another header"),
        pytest.param(changed(5, b"Content-Encoding: gzip"), id="a body that is packed"),
        pytest.param(head_of(*LINES[:3], LINES[4], LINES[3], LINES[5]), id="another order"),
        pytest.param(PLAIN.replace(b"Host", b"host"), id="another case"),
        pytest.param(PLAIN.replace(b"\r\n", b"\n"), id="bare line feeds"),
        pytest.param(PLAIN[:-2], id="without its end"),
        pytest.param(PLAIN[:-1], id="without its last byte"),
        pytest.param(b" " + PLAIN, id="a space first"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_whatever_differs_is_left_to_a_parser(head: bytes) -> None:
    assert parse_plain_head(head + BODY) is None


PIECES = st.sampled_from(
    [
        *LINES,
        *(line + b"\r\n" for line in LINES),
        b"\r\n", b"\r", b"\n", b" ", b"\t", b"\0", b":", b"0", b"1", b"7", b"Host: x\r\n",
        b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", BODY, PLAIN,
    ]
)  # fmt: skip


PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)


@st.composite
def nearly_plain(draw: st.DrawFn) -> bytes:
    """A plain head with other values, perhaps edited, with something behind it."""
    host, agent = draw(PRINTABLE), draw(PRINTABLE)
    path = draw(st.sampled_from(["filter", "prioritize", "preempt"]))
    behind = draw(st.binary(min_size=1, max_size=40)) + draw(st.sampled_from([b"", BODY + PLAIN + BODY]))
    length = draw(st.integers(1, len(behind) + 1))
    values = (f"POST /{path} HTTP/1.1", f"Host: {host}", f"User-Agent: {agent}", f"Content-Length: {length}")
    head = head_of(*(value.encode() for value in values), *LINES[4:])
    for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
        at = draw(st.integers(0, len(head)))
        head = head[:at] + draw(PIECES) + head[at + draw(st.integers(0, 12)) :]
    return head + behind


def pieces_of(received: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(received) + 1) for cut in cuts), len(received)]
    return [received[a:b] for a, b in pairwise(edges) if a < b]


@settings(max_examples=300)
@given(nearly_plain(), st.lists(st.integers(0, 500), max_size=3))
def test_a_plain_request_is_what_gunicorn_reads(received: bytes, cuts: list[int]) -> None:
    """However it arrives: method, path, length, body, and where the next request begins."""
    head = parse_plain_head(received)
    if head is None or len(received) < head.size + head.length:
        return
    parser = RequestParser(Config(), iter(pieces_of(received, cuts)), ("127.0.0.1", 1))
    request = next(parser)
    assert (request.method, request.path, request.query) == ("POST", head.path, "")
    assert request.version == (1, 1)
    assert not request.should_close()
    names = [name for name, _ in request.headers]
    assert names == ["HOST", "USER-AGENT", "CONTENT-LENGTH", "CONTENT-TYPE", "ACCEPT-ENCODING"]
    assert request.body.read() == received[head.size :][: head.length]
    rest = b"".join(iter(parser.unreader.read, b""))
    assert rest == received[head.size + head.length :]


@given(nearly_plain())
def test_a_plain_head_is_so_whatever_follows(received: bytes) -> None:
    """It ends with its first empty line, and nothing behind that can change it."""
    head = parse_plain_head(received)
    if head is not None:
        assert received.find(b"\r\n\r\n") + 4 == head.size
        assert parse_plain_head(received[: head.size]) == head
