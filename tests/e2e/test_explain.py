"""`resourcepolicy explain` beside a real scheduler and a real server: each reason, and the right sentence."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

from cli.main import main
from policy.scheduling.refusals import Reason
from tests.e2e.objects import Site
from tests.e2e.test_preemption import Priorities

NOBODY = "http://127.0.0.1:1"


def explain(site: Site, pod: str, *options: str, server: str = "") -> str:
    host, port = site.extender.address
    asked = ["explain", pod, "-n", site.name, "--kubeconfig", str(site.plane.kubeconfig)]
    result = CliRunner().invoke(main, [*asked, "--server", server or f"http://{host}:{port}", *options])
    assert result.exit_code == 0, result.output
    return result.output


def words(text: str) -> str:
    """As it reads, wherever lines end."""
    return " ".join(text.split())


# What makes each reason: a site to set up, and the pod that meets it, once it has.


def full(site: Site) -> str:
    site.add_nodes("dc", gpus=8)
    site.create_policy(site.unit("dc", max=1))
    site.create_pods("a", "b")
    site.placed("a")
    site.refused("b", "full")
    return "b"


def too_much(site: Site) -> str:
    site.add_nodes("dc", gpus=8)
    site.create_policy(site.unit("dc", maxResources={"nvidia.com/gpu": "3"}))
    site.create_pods("a", "b", gpus=2)
    site.placed("a")
    site.refused("b", "maxResources")
    return "b"


def overflowing(site: Site, mode: str, *, gpus: int = 0, **first: object) -> None:
    """A data centre without enough room, a cloud with some."""
    site.add_nodes("dc", gpus=gpus)
    site.add_nodes("cloud", gpus=8)
    overflow = {"policy": mode} | ({"timeout": "60s"} if mode == "TimeoutOrExceedMax" else {})
    site.create_policy(site.unit("dc", **first), site.unit("cloud"), whenTryNextUnits=overflow)


def below_the_cap(site: Site) -> str:
    overflowing(site, "ExceedMax", max=2)
    site.create_pods("b")
    site.refused("b", "ExceedMax")
    return "b"


def timed(site: Site) -> str:
    overflowing(site, "TimeoutOrExceedMax", max=2)
    site.create_pods("b")
    site.refused("b", "waiting up to")
    return "b"


def leaving(site: Site) -> str:
    site.add_nodes("dc", gpus=1)
    overflow = {"policy": "LackResourceAndNoTerminating"}
    site.create_policy(site.unit("dc"), site.unit("cloud"), whenTryNextUnits=overflow)
    site.create_pod("a", annotations={"controlplane/gone-after": "60s"})
    site.placed("a")
    site.delete_pod_slowly("a")
    site.add_nodes("cloud", gpus=8)  # meanwhile the extender has seen that the pod is leaving
    site.create_pod("b")
    site.refused("b", "terminating")
    return "b"


def preempting(site: Site) -> str:
    site.add_nodes("dc", gpus=1)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc"), site.unit("cloud"), preemptPolicy="BeforeNextUnit")
    pods = Priorities(site)
    pods.low("a")
    pods.high("b")
    site.placed("b")
    return "b"


def nominated(site: Site) -> str:
    """Since Kubernetes 1.35 others than the scheduler may nominate a node."""
    site.add_nodes("dc", gpus=1)
    (cloud,) = site.add_nodes("cloud", gpus=1)
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    site.create_pod("b", schedulingGates=[{"name": "test/later"}])
    site.api.patch(f"{site.pods_path}/b/status", {"status": {"nominatedNodeName": cloud}})
    site.api.patch(f"{site.pods_path}/b", {"spec": {"schedulingGates": None}})
    site.placed("b")
    return "b"


def elsewhere(site: Site) -> str:
    site.add_nodes("elsewhere", gpus=8)
    site.create_policy(site.unit("dc"))
    site.create_pods("b")
    site.refused("b", "in no unit")
    return "b"


def unlabelled(site: Site) -> str:
    site.add_nodes("dc", gpus=8)
    site.create_policy(site.unit("dc"), matchLabelKeys=["revision"])
    site.create_pods("b")
    site.refused("b", "lacks the label")
    return "b"


def unseen(site: Site) -> str:
    site.add_nodes("dc", gpus=8)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc", max=1), site.unit("cloud"))
    site.create_pod("first", schedulerName="nobody")  # as if its binding were under way
    site.extender.restart()
    site.create_pod("b")
    site.refused("b", "unseen")
    return "b"


def contested(site: Site) -> str:
    site.extender.restart(on_conflict="reject")
    site.add_nodes("dc", gpus=8)
    site.create_policy(site.unit("dc"), name="a-first")
    site.create_policy(site.unit("dc"), name="b-second")
    site.create_pods("b")
    site.refused("b", "another ResourcePolicy")
    return "b"


@dataclass(frozen=True)
class Row:
    """A scenario, and what is read."""

    reason: Reason
    scene: Callable[[Site], str]
    rule: str
    sentences: tuple[str, ...]


ROWS = [
    Row(Reason.MAX_REACHED, full, "O2", ("exhausted (O2) full: 1 of max 1 pod(s)", "no unit of")),
    Row(
        Reason.MAX_RESOURCES_REACHED,
        too_much,
        "O2",
        ("maxResources: of nvidia.com/gpu 2 used + 2 requested is more than the limit 3",),
    ),
    Row(
        Reason.WAITING_FOR_ROOM,
        below_the_cap,
        "O4",
        (
            "waiting (O4) kube-scheduler finds room on none of its 1 node(s)",
            "below its cap ExceedMax waits for room, without limit",
            "it waits in units[0], and no later unit is used meanwhile",
            "when room comes in units[0]",
        ),
    ),
    Row(
        Reason.WAITING_FOR_TIMEOUT,
        timed,
        "O5",
        ("waiting (O5) waits up to 1m for room here", "Tried again in ", "when its timer ends"),
    ),
    Row(
        Reason.WAITING_FOR_TERMINATING,
        leaving,
        "O6",
        ("waiting (O6) pods are terminating here", "when the pods that are terminating in units[0] are gone"),
    ),
    Row(
        Reason.WAITING_FOR_PREEMPTION,
        preempting,
        "P1",
        (
            "WaitingForPreemption (P1), units[0] preempting pods of lower priority here comes before",
            "Preempting pods of lower priority was allowed in units[0]",
            "It was sent to units[0]",
        ),
    ),
    Row(
        Reason.EARLIER_UNIT_FIRST,
        nominated,
        "O1",
        (
            "EarlierUnitFirst (O1), units[0] comes before the unit of the nominated node, and may have",
            "It was sent to units[0]",
        ),
    ),
    Row(
        Reason.OUTSIDE_UNITS,
        elsewhere,
        "U6",
        ("no room (O3) it has no node", "no unit of ResourcePolicy policy can take it"),
    ),
    Row(
        Reason.LABEL_MISSING,
        unlabelled,
        "C2",
        ("it lacks the label revision, which matchLabelKeys of ResourcePolicy policy counts by. Write the",),
    ),
    Row(
        Reason.WAITING_FOR_BINDINGS,
        unseen,
        "C7",
        (
            "It is held back: the server had just started, and pods that it has not seen yet may be on their",
            "waiting (C7) pods that the server had not seen yet may be on their way here",
            "as soon as those pods are seen or asked about, in",
        ),
    ),
    Row(
        Reason.CONFLICT,
        contested,
        "M4",
        ("ResourcePolicy a-first and another ResourcePolicy both match it", "b-second matches it as well"),
    ),
]


def test_each_reason_has_a_scenario() -> None:
    assert {row.reason for row in ROWS} == set(Reason)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.rule} {row.reason}")
def test_each_refusal_is_explained(site: Site, row: Row) -> None:
    """O10: as it was decided, with the numbers of then, and what kube-scheduler says about it."""
    name = row.scene(site)
    text = explain(site, name)
    told = words(text)
    assert [sentence for sentence in row.sentences if sentence not in told] == [], text
    assert max(len(line) for line in text.splitlines()) <= 80
    account = json.loads(explain(site, name, "-o", "json"))
    reasons = [(one["reason"], one["rule"]) for one in account["decisions"]]
    assert (row.reason, row.rule) in reasons
    assert account["uid"] == site.pod(name)["metadata"]["uid"]


LASTING = [row for row in ROWS if row.rule not in ("P1", "O1", "M4", "C7")]


@pytest.mark.parametrize("row", LASTING, ids=lambda row: f"{row.rule} {row.reason}")
def test_without_the_server_the_api_alone_tells_the_same(site: Site, row: Row) -> None:
    """The same code over what can be read: each unit's verdict, rule and numbers, and it says so."""
    name = row.scene(site)
    remembered, made = (
        json.loads(explain(site, name, "-o", "json", server=server)) for server in ("", NOBODY)
    )
    same = ("policy", "unit", "rule", "reason", "why", "group", "units")
    assert {key: made["decisions"][0][key] for key in same} == {
        key: remembered["decisions"][0][key] for key in same
    }
    assert made["scheduler"] == remembered["scheduler"]
    assert remembered["source"].startswith("http://127.0.0.1:")
    assert made["source"] == ""
    told = words(explain(site, name, server=NOBODY))
    assert (
        "This is what it would be told now, from the API alone: http://127.0.0.1:1 could not be asked" in told
    )


def test_pods_that_are_placed_are_told_from_before_and_after_the_server_knew(site: Site) -> None:
    """A restart of the server, and a policy that comes late."""
    site.add_nodes("dc", gpus=1)
    site.add_nodes("cloud", gpus=8)
    site.create_pod("early", nodeSelector={"site": site.name, **site.labels("cloud")})
    site.placed("early")
    site.await_after(site.pod("early")["status"]["conditions"][0]["lastTransitionTime"])
    site.create_policy(site.unit("dc", max=1), site.unit("cloud"))
    site.create_pods("a", "b")
    site.placed("a", "b")
    told = words(explain(site, "b"))
    assert f"Pod {site.name}/b is on {site.name}.cloud.1, in units[1] since" in told
    assert "exhausted (O2) full: 1 of max 1 pod(s)" in told
    assert "used (O1) room on 1 of its 1 node(s) 1 pod(s) counted" in told
    assert "Scheduled, " in told
    site.extender.restart()
    told = words(explain(site, "b"))
    assert (
        "How it was decided is not known: this is what it would be told now, from the API alone: the" in told
    )
    assert "exhausted (O2) full: 1 of max 1 pod(s)" in told
    site.delete_pod("a")
    told = words(explain(site, "b"))
    assert (
        "It would be sent to units[0], the first that may take it. That was not so when it was placed" in told
    )
    told = words(explain(site, "early"))
    assert "It was placed before ResourcePolicy policy was created, which had no say." in told


def test_pods_that_no_decision_is_about_are_told_why(site: Site) -> None:
    """M5, M8: no policy, and pods that kube-scheduler does not send."""
    site.add_nodes("dc", gpus=1)
    site.create_policy(site.unit("dc"), selector={"app": "web"})
    site.create_pod("db", labels={"app": "db"})
    site.create_pod("cpu", labels={"app": "web"}, gpus=0)
    site.placed("db", "cpu")
    told = words(explain(site, "db"))
    assert "No ResourcePolicy selects it: kube-scheduler places it by its own rules (M5)." in told
    assert "it selects app=web, and the pod has app=db" in told
    told = words(explain(site, "cpu"))
    assert "It requests none of nvidia.com/gpu: kube-scheduler does not ask about such pods" in told
