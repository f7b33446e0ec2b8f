"""When a unit is exhausted: rule O2.

Each row is one filter call; an exhausted first unit sends the pod to the second.
"""

import pytest

from tests.builders import a_pod, a_policy, a_unit
from tests.unit.policy.cases import CAPPED, CLOUD, GPU, ONE, THREE, TWO, WANTS_2, Ask, Outcome, gpus, outcome


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(Ask(CAPPED, pods=(ONE,)), 0, id="O2: below max is open"),
        pytest.param(Ask(CAPPED, pods=(ONE, TWO)), 1, id="O2: equal to max is full"),
        pytest.param(Ask(CAPPED, pods=(ONE, TWO, THREE)), 1, id="O2: above max is full"),
        pytest.param(Ask(a_policy(a_unit("dc", max=0), CLOUD)), 1, id="O2: max 0 never opens"),
        pytest.param(
            Ask(gpus("4"), pods=(a_pod("one", on="dc-1", requests={GPU: "2"}),), asking=WANTS_2),
            0,
            id="O2: used and requested equal to maxResources fits",
        ),
        pytest.param(
            Ask(gpus("3999m"), pods=(a_pod("one", on="dc-1", requests={GPU: "2"}),), asking=WANTS_2),
            1,
            id="O2: above maxResources by the finest step is full",
        ),
        pytest.param(
            Ask(gpus("1"), asking=WANTS_2),
            1,
            id="O2: a pod larger than maxResources never gets the unit",
        ),
        pytest.param(
            Ask(gpus("4"), pods=(ONE, TWO, THREE), asking=a_pod(requests={"cpu": "64"})),
            0,
            id="O2: a resource that maxResources does not name is unlimited",
        ),
        pytest.param(
            Ask(gpus("2"), pods=(a_pod("one", on="dc-1", requests={GPU: "2"}),)),
            0,
            id="O2: a pod that requests none of a used-up resource still fits",
        ),
        pytest.param(
            Ask(gpus("2"), pods=(a_pod("one", on="dc-1", requests={GPU: "3"}),)),
            1,
            id="O2: an over-used unit is closed to a pod that requests none of the resource",
        ),
        pytest.param(
            Ask(
                a_policy(a_unit("dc", max_resources={GPU: "8", "memory": "10Gi"}), CLOUD),
                asking=a_pod(requests={GPU: "1", "memory": "11Gi"}),
            ),
            1,
            id="O2: one exceeded resource among several closes the unit",
        ),
        pytest.param(
            Ask(a_policy(a_unit("dc", max=1, max_resources={GPU: "8"}), CLOUD), pods=(ONE,)),
            1,
            id="O2: max closes the unit though maxResources would not",
        ),
        pytest.param(
            Ask(a_policy(a_unit("dc", max=9, max_resources={GPU: "1"}), CLOUD), asking=WANTS_2),
            1,
            id="O2: maxResources closes the unit though max would not",
        ),
        pytest.param(
            Ask(a_policy(a_unit("dc", max=1))),
            0,
            id="O2: the asking pod itself is not counted against it",
        ),
    ],
)
def test_a_unit_is_exhausted_at_a_cap(ask: Ask, expected: Outcome) -> None:
    assert outcome(ask.decision) == expected
