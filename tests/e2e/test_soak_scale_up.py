"""The campaign of growth: its oracle and its sums, and a short run of it.

Rules: W1 to W4.
"""

import re
import subprocess
import sys
from collections import Counter

import pytest

from dev.soak.scale_up.generator import DC, POOLS, Policy, Round, Unit, Wave, draw
from dev.soak.scale_up.recorder import PodStory
from dev.soak.scale_up.report import is_right, table
from dev.soak.scale_up.runner import Outcome

NEAR, FAR = Unit("near", 2), Unit("far")
FOUR = (Wave(0, 3), Wave(1, 1))


@pytest.mark.parametrize(
    ("units", "free", "without", "expected"),
    [
        pytest.param((NEAR, FAR), 0, "", {"near": 2, "far": 2}, id="W1: the cap, then the next"),
        pytest.param((Unit(DC), FAR), 3, "", {DC: 3, "far": 1}, id="W1: free GPUs first"),
        pytest.param((Unit(DC, 1), FAR), 3, "", {DC: 1, "far": 3}, id="W2: a cap beside free GPUs"),
        pytest.param((NEAR, FAR), 0, "near", {"far": 4}, id="W4: out of stock"),
        pytest.param((NEAR,), 0, "", {"near": 2}, id="W3: the rest stays pending"),
    ],
)
def test_what_must_follow_is_counted_in_the_order_of_units(
    units: tuple[Unit, ...], free: int, without: str, expected: dict[str, int]
) -> None:
    assert Policy(units, FOUR).expected(free, without) == Counter(expected)


def outcome(policies: int, bought: dict[str, int], *placed: dict[str, int]) -> Outcome:
    round_ = Round(0, (Policy((NEAR, FAR), FOUR),) * policies)
    story = PodStory("ns", refused=1.0, asked=[1.5, 3.0], bound=5.0, node="n")
    return Outcome(round_, (story,), Counter(bought), tuple(map(Counter, placed)), 1.0)


RIGHT = {"near": 2, "far": 2}


@pytest.mark.parametrize(
    ("found", "right"),
    [
        pytest.param(outcome(1, RIGHT, RIGHT), True, id="as named"),
        pytest.param(outcome(1, {"near": 3, "far": 2}, RIGHT), False, id="a node too many"),
        pytest.param(outcome(1, RIGHT, {"near": 2, "far": 1}), False, id="a pod that is nowhere"),
        pytest.param(outcome(1, {"near": 4}, {"near": 4}), False, id="the wrong unit"),
        pytest.param(outcome(2, {"near": 3, "far": 5}, RIGHT, RIGHT), True, id="two took each other's nodes"),
        pytest.param(outcome(2, {"near": 4, "far": 5}, RIGHT, RIGHT), False, id="two, and a node too many"),
    ],
)
def test_a_round_is_right_if_every_node_was_needed_where_it_is(found: Outcome, *, right: bool) -> None:
    assert is_right(found) is right


def test_the_table_tells_median_and_worst() -> None:
    (_, _, row) = table([("ours", [outcome(1, RIGHT, RIGHT)])]).splitlines()
    assert row == "| ours | 1 | 4 | 4 | 0 | 0 | 0.5 / 0.5 (1) | 2.0 / 2.0 (1) | 4.0 / 4.0 (1) |"


def test_every_draw_is_the_same_again_and_some_of_each_kind_come() -> None:
    drawn = [draw(number, seed=0) for number in range(30)]
    assert drawn == [draw(number, seed=0) for number in range(30)]
    assert any(round_.capped for round_ in drawn)
    assert {round_.out_of_stock for round_ in drawn} >= set(POOLS)
    assert {len(round_.policies) for round_ in drawn} == {1, 2}
    assert any(policy.replaces for round_ in drawn for policy in round_.policies)


@pytest.mark.plane
def test_three_rounds_on_the_real_autoscaler_are_right() -> None:
    """W1 to W4. Pods are born held: else the autoscaler may see one before the watcher does."""
    command = [sys.executable, "-m", "dev.soak", "scale-up", "--rounds", "3", "--seed", "1", "--held"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    print(run.stdout, run.stderr)  # noqa: T201  shown when the test fails
    assert run.returncode == 0
    assert re.search(r"^\| provisioningrequest \| 3 \|", run.stdout, re.MULTILINE)
