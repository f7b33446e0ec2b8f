"""The scores of the prioritize verb: rule O1, should anyone ask."""

import pytest

from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.prioritize import scores
from tests.builders import a_node, a_policy, a_snapshot, a_unit
from tests.unit.policy.cases import NODES

MANY = a_policy(*(a_unit(f"p{i}") for i in range(13)))
OVERLAP = a_policy(a_unit("dc"), a_unit())


@pytest.mark.parametrize(
    ("policy", "room", "expected"),
    [
        pytest.param(
            a_policy(), ["dc-1", "cloud-1"], {"dc-1": 10, "cloud-1": 9}, id="O1: earlier units score higher"
        ),
        pytest.param(
            a_policy(), ["cloud-1"], {"cloud-1": 10}, id="O1: the first unit with a candidate has 10"
        ),
        pytest.param(
            a_policy(),
            ["attic-1", "dc-1", "dc-2"],
            {"attic-1": 0, "dc-1": 10, "dc-2": 10},
            id="O1: outside has 0",
        ),
        pytest.param(
            OVERLAP,
            ["dc-1", "attic-1"],
            {"dc-1": 10, "attic-1": 9},
            id="O1: a node scores for its first unit",
        ),
        pytest.param(a_policy(), [], {}, id="O1: nobody asked about"),
    ],
)
def test_scores_follow_the_units(policy: ResourcePolicy, room: list[str], expected: dict[str, int]) -> None:
    scored = scores(room, policy, a_snapshot(policy, nodes=NODES))
    assert {name: score for score, names in scored.items() for name in names} == expected


def test_units_past_the_tenth_share_the_lowest_score() -> None:
    """extender/v1 has 0 to 10 only: order lives in filter (E1)."""
    nodes = [a_node(f"n{i}", f"p{i}") for i in range(13)]
    scored = scores([node.name for node in nodes], MANY, a_snapshot(MANY, nodes=nodes))
    assert scored == {10 - i: {f"n{i}"} for i in range(10)} | {0: {"n10", "n11", "n12"}}
