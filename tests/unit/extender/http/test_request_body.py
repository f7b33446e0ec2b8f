"""A body is read whole or refused, whatever its framing says."""

from io import BytesIO
from wsgiref.types import WSGIEnvironment

import pytest

from extender.http.request_body import BodyError, read_body

LIMIT = 10


def environ(body: bytes, length: str | None, *, terminated: bool = False) -> WSGIEnvironment:
    """`terminated`: the server ends the stream where a chunked body ends."""
    framing = {} if length is None else {"CONTENT_LENGTH": length}
    return {"wsgi.input": BytesIO(body), "wsgi.input_terminated": terminated, **framing}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        pytest.param(environ(b"abc", "3"), b"abc", id="its length"),
        pytest.param(environ(b"0123456789", "10"), b"0123456789", id="as long as the limit"),
        pytest.param(environ(b"abc and the next", "3"), b"abc", id="the next request behind it"),
        pytest.param(environ(b"abc", None, terminated=True), b"abc", id="chunked"),
        pytest.param(environ(b"abc", "", terminated=True), b"abc", id="chunked, with an empty length"),
        pytest.param(
            environ(b"0123456789", None, terminated=True), b"0123456789", id="chunked, at the limit"
        ),
    ],
)
def test_a_body_is_read(given: WSGIEnvironment, read: bytes) -> None:
    assert read_body(given, LIMIT) == read


@pytest.mark.parametrize(
    ("given", "status", "reason"),
    [
        pytest.param(environ(b"", "0"), 400, "empty", id="no bytes"),
        pytest.param(environ(b"", None), 400, "empty", id="no framing"),
        pytest.param(environ(b"abc", None), 400, "empty", id="bytes without framing"),
        pytest.param(environ(b"", None, terminated=True), 400, "empty", id="chunked and empty"),
        pytest.param(environ(b"abc", "4"), 400, "after 3 of 4 bytes", id="cut off"),
        pytest.param(environ(b"abc", "-1"), 400, "no number", id="a negative length"),
        pytest.param(environ(b"abc", "3.0"), 400, "no number", id="a fraction"),
        pytest.param(environ(b"abc", " 3"), 400, "no number", id="a space"),
        pytest.param(environ(b"abc", "²"), 400, "no number", id="a superscript"),
        pytest.param(environ(b"abc", "1" * 5000), 400, "no number", id="5,000 digits"),
        pytest.param(environ(b"0123456789a", "11"), 413, "has 11 bytes; the limit is 10", id="one too many"),
        pytest.param(environ(b"", "9" * 18), 413, "limit is 10", id="an absurd length, not allocated"),
        pytest.param(
            environ(b"0123456789a", None, terminated=True), 413, "more than 10", id="chunked, too long"
        ),
    ],
)
def test_a_body_is_refused(given: WSGIEnvironment, status: int, reason: str) -> None:
    with pytest.raises(BodyError, match=reason) as refused:
        read_body(given, LIMIT)
    assert refused.value.status == status
