"""Required node affinity: what kube-scheduler's filter says, and what can be said before a node is there.

Rules: W1, W3. A node that a pod cannot use is no room, and a unit that it cannot use is not grown for it.
"""

from typing import Any

import pytest

from policy.api.node_affinity import Terms, allows, may_allow


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param((), True, id="no terms, no demand"),
        pytest.param((Terms(()),), False, id="an empty term matches nothing"),
        pytest.param((Terms((("gpu", "In", ("a100", "h100")),)),), True, id="In"),
        pytest.param((Terms((("gpu", "NotIn", ("a100",)),)),), False, id="NotIn"),
        pytest.param((Terms((("none", "NotIn", ("a100",)),)),), True, id="NotIn holds for an absent key"),
        pytest.param((Terms((("gpu", "Exists", ()),)),), True, id="Exists"),
        pytest.param((Terms((("gpu", "DoesNotExist", ()),)),), False, id="DoesNotExist"),
        pytest.param((Terms((("cores", "Gt", ("7",)),)),), True, id="Gt"),
        pytest.param((Terms((("cores", "Lt", ("8",)),)),), False, id="Lt"),
        pytest.param((Terms((("gpu", "Gt", ("7",)),)),), False, id="Gt of a text"),
        pytest.param((Terms((("hours", "Gt", ("7",)),)),), False, id="Gt of what Go reads as no number"),
        pytest.param((Terms((("cores", "Lt", ("9", "9")),)),), False, id="Lt of two numbers"),
        pytest.param((Terms((("none", "Lt", ("8",)),)),), False, id="Lt of an absent key"),
        pytest.param((Terms((("gpu", "Like", ("a",)),)),), False, id="an operator that there is not"),
        pytest.param((Terms((("gpu", "Exists", ()), ("none", "Exists", ()))),), False, id="parts are ANDed"),
        pytest.param(
            (Terms((("none", "Exists", ()),)), Terms((("gpu", "Exists", ()),))), True, id="terms are ORed"
        ),
        pytest.param((Terms((), (("metadata.name", "In", ("n",)),)),), True, id="a field"),
    ],
)
def test_required_node_affinity(terms: tuple[Terms, ...], *, expected: bool) -> None:
    assert allows(terms, {"gpu": "a100", "cores": "8", "hours": "1_0"}, "n") is expected


def label(key: str, operator: str, *values: str) -> Terms:
    return Terms(((key, operator, values),))


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param((), True, id="no terms, no demand"),
        pytest.param((Terms(()),), False, id="an empty term matches nothing"),
        pytest.param((label("pool", "In", "a", "b"),), True, id="a known label that agrees"),
        pytest.param((label("pool", "In", "b"),), False, id="a known label that does not"),
        pytest.param((label("zone", "In", "z"),), True, id="a label that is not known may come"),
        pytest.param((label("pool", "DoesNotExist"),), False, id="a known label that must not be"),
        pytest.param((label("pool", "In", "b"), label("zone", "Exists")), True, id="one term is enough"),
        pytest.param((Terms((), (("metadata.name", "In", ("n",)),)),), False, id="a name no new node has"),
        pytest.param((Terms((), (("metadata.name", "NotIn", ("n",)),)),), True, id="any name but one"),
    ],
)
def test_a_node_to_come_is_judged_by_what_its_unit_tells(terms: tuple[Terms, ...], *, expected: bool) -> None:
    assert may_allow(terms, {"pool": "a"}) is expected


def test_the_apis_spelling_is_read() -> None:
    """Values may be written as numbers, and left out where an operator takes none."""
    labels: list[dict[str, Any]] = [
        {"key": "cores", "operator": "Gt", "values": [7]},
        {"key": "gpu", "operator": "Exists"},
    ]
    fields = [{"key": "metadata.name", "operator": "In", "values": ["n"]}]
    expected = Terms((("cores", "Gt", ("7",)), ("gpu", "Exists", ())), (("metadata.name", "In", ("n",)),))
    assert Terms.of(labels, fields) == expected
