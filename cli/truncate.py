"""A text cut to a width in its middle.

Selectors of units often differ in nothing but the end of their values: `alibabacloud.c..l-id=npedge`.
"""

__all__ = ["truncated"]

_GAP = ".."


def truncated(text: str, width: int) -> str:
    """The text, if it fits, else its beginning and its end."""
    if len(text) <= width:
        return text
    kept = max(width - len(_GAP), 0)
    return f"{text[: kept // 2]}{_GAP}{text[len(text) - (kept - kept // 2) :]}"
