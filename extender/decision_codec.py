"""Explanations on the wire: what GET /decisions answers, and how it is read."""

from collections.abc import Sequence

import msgspec

from policy.explain.types import Explanation

__all__ = ["decode_explanations", "encode_explanations"]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Explanation]).decode


def encode_explanations(explanations: Sequence[Explanation]) -> bytes:
    """As JSON, in the order given."""
    return _encode(explanations)


def decode_explanations(body: bytes) -> list[Explanation]:
    """From JSON.

    Raises:
        ValueError: it is not what a server of this version answers.
    """
    return _decode(body)
