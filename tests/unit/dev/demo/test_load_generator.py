"""How a load becomes the utilisation of each pod's GPU."""

from collections.abc import Mapping

import pytest

from dev.controlplane import Object
from dev.demo.load_generator import shares


def a_pod(name: str, phase: str = "Running", **metadata: str) -> Object:
    return {"metadata": {"name": name, **metadata}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param([], {}, id="nobody serves"),
        pytest.param([a_pod("a")], {"a": 140.0}, id="one has it all, above 100 % too"),
        pytest.param([a_pod("a"), a_pod("b")], {"a": 70.0, "b": 70.0}, id="two share it"),
        pytest.param([a_pod("a"), a_pod("b", "Pending")], {"a": 140.0}, id="a pod that waits does nothing"),
        pytest.param(
            [a_pod("a"), a_pod("b", deletionTimestamp="2026-01-01T00:00:00Z")],
            {"a": 140.0},
            id="nor does one on its way out",
        ),
    ],
)
def test_a_load_is_shared_by_the_pods_that_serve(pods: list[Object], expected: Mapping[str, float]) -> None:
    assert shares(140.0, pods) == expected
