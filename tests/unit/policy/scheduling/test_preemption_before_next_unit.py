"""When preemption comes before the next unit: rule P1.

Each row is one filter call: the pod fits nowhere in the first unit.
"""

import pytest

from policy.api.objects import Effect, Node, Taint, Toleration
from policy.api.resourcepolicy import NextUnits, PreemptPolicy
from policy.scheduling.pod_history import Nomination, PodHistory
from policy.scheduling.refusals import Reason
from tests.builders import NOW, a_node, a_pod, a_policy, a_unit
from tests.unit.policy.cases import CLOUD, DC_2, Ask, Outcome, outcome

BEFORE_NEXT = PreemptPolicy.BEFORE_NEXT_UNIT
first = a_policy(preempt_policy=BEFORE_NEXT)
first_by_timer = a_policy(DC_2, CLOUD, preempt_policy=BEFORE_NEXT, mode=NextUnits.TIMEOUT_OR_EXCEED_MAX)
urgent = a_pod(priority=10, requests={"cpu": "1"})
minor = a_pod("minor", on="dc-1", requests={"cpu": "1"})
NO_DC = ("cloud-1",)


def dc_node(**fields: object) -> tuple[Node, ...]:
    taints = (Taint("dedicated", "x", Effect.NO_SCHEDULE),) if fields.get("tainted") else ()
    size = str(fields.get("cpu", "1"))
    return (
        a_node("dc-1", "dc", allocatable={"cpu": size}, taints=taints, ready=not fields.get("down")),
        a_node("cloud-1", "cloud"),
    )


def nomination(unit: int | None, node: str, age: float = 0) -> PodHistory:
    return PodHistory(nomination=Nomination(unit, frozenset({node}), NOW - age))


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(
            Ask(asking=urgent, pods=[minor], nodes=dc_node(), room=NO_DC),
            1,
            id="P1: AfterAllUnits is the default and goes on before it preempts",
        ),
        pytest.param(
            Ask(first, asking=urgent, pods=[minor], nodes=dc_node(), room=NO_DC),
            Reason.WAITING_FOR_PREEMPTION,
            id="P1: BeforeNextUnit gives preemption its chance in the unit that fails",
        ),
        pytest.param(
            Ask(
                first,
                asking=urgent,
                pods=[minor],
                nodes=dc_node(),
                room=NO_DC,
                history=PodHistory(preempted_in_vain=frozenset({0})),
            ),
            1,
            id="P1: it has its chance once per unit",
        ),
        pytest.param(
            Ask(
                a_policy(a_unit("gone"), a_unit("dc"), CLOUD, preempt_policy=BEFORE_NEXT),
                asking=urgent,
                pods=[minor],
                nodes=dc_node(),
                room=NO_DC,
                history=PodHistory(preempted_in_vain=frozenset({0})),
            ),
            Reason.WAITING_FOR_PREEMPTION,
            id="P1: each unit that fails has its own chance",
        ),
        pytest.param(
            Ask(first, asking=urgent, nodes=dc_node(), room=NO_DC),
            1,
            id="P1: without a victim there is no chance",
        ),
        pytest.param(
            Ask(
                first,
                asking=urgent,
                pods=[a_pod("peer", on="dc-1", priority=10)],
                nodes=dc_node(),
                room=NO_DC,
            ),
            1,
            id="P1: a pod of equal priority is no victim",
        ),
        pytest.param(
            Ask(
                first,
                asking=urgent,
                pods=[minor, a_pod("peer", on="dc-1", priority=10, requests={"cpu": "1"})],
                nodes=dc_node(cpu=1),
                room=NO_DC,
            ),
            1,
            id="P1: what stays on the node may leave too little",
        ),
        pytest.param(
            Ask(
                first,
                asking=a_pod(priority=10, preempts=False),
                pods=[minor],
                nodes=dc_node(),
                room=NO_DC,
            ),
            1,
            id="P1: a pod that never preempts goes on",
        ),
        pytest.param(
            Ask(first, asking=urgent, pods=[minor], nodes=dc_node(tainted=True), room=NO_DC),
            1,
            id="P1: a node that the pod does not tolerate is no chance",
        ),
        pytest.param(
            Ask(
                first,
                asking=a_pod(priority=10, tolerations=(Toleration("dedicated", "Exists"),)),
                pods=[minor],
                nodes=dc_node(tainted=True),
                room=NO_DC,
            ),
            Reason.WAITING_FOR_PREEMPTION,
            id="P1: a node that it tolerates is",
        ),
        pytest.param(
            Ask(first, asking=urgent, pods=[minor], nodes=dc_node(down=True), room=NO_DC),
            1,
            id="P1: a node that is not ready is no chance",
        ),
        pytest.param(
            Ask(
                first, asking=urgent, pods=[minor], nodes=dc_node(), room=NO_DC, history=nomination(0, "dc-1")
            ),
            Reason.WAITING_FOR_PREEMPTION,
            id="P1: while victims leave for the pod it does not go on",
        ),
        pytest.param(
            Ask(first, asking=urgent, nodes=dc_node(), room=NO_DC, history=nomination(0, "dc-1", age=9.9)),
            Reason.WAITING_FOR_PREEMPTION,
            id="P1: nor while the nomination may be on its way, the victims gone",
        ),
        pytest.param(
            Ask(first, asking=urgent, nodes=dc_node(), room=NO_DC, history=nomination(0, "dc-1", age=10)),
            1,
            id="P1: an answer that led to no nomination is forgotten",
        ),
        pytest.param(
            Ask(
                first,
                asking=a_pod(priority=10, nominated_node="dc-1"),
                nodes=dc_node(),
                room=NO_DC,
                history=nomination(0, "dc-1", age=3600),
            ),
            Reason.WAITING_FOR_PREEMPTION,
            id="P1: a nomination keeps the answer alive",
        ),
        pytest.param(
            Ask(
                first,
                asking=urgent,
                pods=[minor],
                nodes=dc_node(),
                room=NO_DC,
                history=nomination(1, "cloud-1"),
            ),
            1,
            id="P1: victims that leave in the next unit do not hold in this",
        ),
        pytest.param(
            Ask(first, asking=a_pod(priority=10, nominated_node="dc-1"), nodes=dc_node(), room=NO_DC),
            Reason.WAITING_FOR_PREEMPTION,
            id="P1: after a restart the nomination tells where victims leave",
        ),
        pytest.param(
            Ask(
                a_policy(a_unit("dc", max=0), CLOUD, preempt_policy=PreemptPolicy.BEFORE_NEXT_UNIT),
                asking=a_pod(priority=10, nominated_node="dc-1"),
                nodes=dc_node(),
            ),
            1,
            id="P1: nobody leaves a node any more on which the pod fits: an edit closed its unit",
        ),
        pytest.param(
            Ask(
                first,
                asking=a_pod(priority=10, nominated_node="dc-1"),
                nodes=dc_node(),
                room=NO_DC,
                history=nomination(None, "dc-1"),
            ),
            Reason.WAITING_FOR_PREEMPTION,
            id="P1: also after an edit that took the promised unit out",
        ),
        pytest.param(
            Ask(
                first,
                asking=a_pod(priority=10, nominated_node="cloud-1"),
                pods=[minor],
                nodes=dc_node(),
                room=NO_DC,
                history=PodHistory(nomination_refused=True),
            ),
            1,
            id="P1: after a restart a nomination in the next unit does not hold in this",
        ),
        pytest.param(
            Ask(first_by_timer, asking=urgent, pods=[minor], nodes=dc_node(), room=NO_DC),
            Reason.WAITING_FOR_TIMEOUT,
            id="P1: a wait for room is a chance to preempt as well",
        ),
    ],
)
def test_when_preemption_goes_before_the_next_unit(ask: Ask, expected: Outcome) -> None:
    assert outcome(ask.decision) == expected


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        pytest.param(NO_DC, 1, id="P1: the next unit has room"),
        pytest.param(("attic-1",), None, id="P1: no unit has"),
    ],
)
def test_what_a_pod_is_kept_from_while_an_earlier_unit_is_preempted_in(
    room: tuple[str, ...], expected: int | None
) -> None:
    ask = Ask(first, asking=urgent, pods=[minor], nodes=(*dc_node(), a_node("attic-1")), room=room)
    assert outcome(ask.decision) == Reason.WAITING_FOR_PREEMPTION
    assert ask.decision.withheld_unit == expected
