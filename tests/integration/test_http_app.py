"""Which status every request gets, through the WSGI callable."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.builders import a_node, a_pod, a_policy, a_unit
from tests.integration.server import LIMIT, VERBS, Site, verb_of
from tests.unit.extender.fixtures import CAPPED, CLOUD, DC, World
from tests.unit.extender.http.test_wire import HERE, MADE, REASONS, VALID, asking, named


@pytest.mark.parametrize("path", VALID, ids=named)
@pytest.mark.parametrize("governed", [False, True], ids=["no policy", "a policy"])
def test_what_a_real_scheduler_sends_is_answered_200(path: Path, governed: bool) -> None:  # noqa: FBT001
    pools = [a_node("node-a", "a"), a_node("node-b", "b")]
    policies = [a_policy(a_unit("a"), a_unit("b"))] if governed else []
    answer = Site(World(*pools, *policies)).post(verb_of(path.name), path.read_bytes())
    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.json
    assert "Error" not in answer.json


@pytest.mark.parametrize("name", REASONS)
def test_what_it_never_sends_is_answered_400_with_the_reason_and_leaves_nothing(name: str) -> None:
    site = Site()
    answer = site.post(verb_of(name), (HERE / "invalid" / name).read_bytes())
    assert answer.status == 400
    assert REASONS[name] in answer.json["Error"]
    assert site.world.held == {}
    assert not site.world.cache.attempts


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("verb", VERBS)
def test_what_is_absurd_is_answered_400_on_every_verb(verb: str, name: str) -> None:
    answer = Site().post(verb, MADE[name][0])
    assert answer.status == 400
    assert "Traceback" not in answer.json["Error"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_body_over_the_limit_is_answered_413(verb: str) -> None:
    answer = Site().post(verb, b" " * (LIMIT + 1))
    assert answer.status == 413
    assert str(LIMIT) in answer.json["Error"]


@pytest.mark.parametrize("verb", VERBS)
def test_an_empty_body_is_answered_400(verb: str) -> None:
    assert Site().post(verb, b"").status == 400


def test_before_the_sync_filter_says_so_in_its_answer_and_the_others_in_their_status() -> None:
    """E4: an `Error` makes the scheduler try again; prioritize and preempt have no such field."""
    site = Site(World(DC, CAPPED, synced=False))
    answers = {verb: site.post(verb, body) for verb, body in VERBS.items()}
    assert {verb: answer.status for verb, answer in answers.items()} == {
        "/filter": 200,
        "/prioritize": 503,
        "/preempt": 503,
    }
    assert all("synced" in answer.json["Error"] for answer in answers.values())
    assert set(answers["/filter"].json) == {"Error"}


def test_a_node_that_is_not_seen_yet_is_an_error_in_the_answer() -> None:
    """E11."""
    answer = Site(World(CLOUD, CAPPED)).post("/filter", asking(NodeNames=["dc-1"]))
    assert answer.status == 200
    assert "not seen yet" in answer.json["Error"]


def test_a_budget_that_would_be_broken_is_heeded() -> None:
    """P2: another unit helps without that."""
    guest = a_pod("guest", on="cloud-1", namespace="elsewhere")
    victims = {
        node: {"Pods": [{"UID": uid}], "NumPDBViolations": count}
        for node, uid, count in (("dc-1", "v", 1), ("cloud-1", "guest", 0))
    }
    site = Site(World(DC, CLOUD, a_policy(a_unit("dc"), a_unit("cloud")), guest))
    answer = site.post("/preempt", asking(NodeNameToMetaVictims=victims))
    assert list(answer.json["NodeNameToMetaVictims"]) == ["cloud-1"]


def test_sixteen_thousand_names_are_answered_right() -> None:
    site = Site()
    names = [f"node-{number:05}" for number in range(16_000)]
    site.world.publish(*(a_node(name, "cloud" if name.endswith("7") else "dc") for name in names))
    site.world.publish(a_policy(a_unit("cloud"), a_unit("dc")))
    answer = site.post("/filter", asking(NodeNames=names))
    assert answer.json == {"NodeNames": [name for name in names if name.endswith("7")]}


def test_a_bug_is_answered_500_in_json_and_told_to_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()

    def broken() -> float:
        raise RuntimeError("a secret of ours")

    site.world.extender._clock = broken  # noqa: SLF001
    answer = site.post("/filter", asking())
    assert answer.status == 500
    assert "secret" not in answer.json["Error"]
    assert "a secret of ours" in caplog.text


def test_a_bug_in_the_gauges_is_answered_500_in_json() -> None:
    def broken() -> None:
        raise RuntimeError("a secret of ours")

    answer = Site(refresh=broken).request("GET", "/metrics")
    assert answer.status == 500
    assert "secret" not in answer.json["Error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *(pytest.param("GET", verb, 405, id=f"GET {verb}") for verb in VERBS),
        *(pytest.param(m, "/filter", 405, id=m) for m in ("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD")),
        pytest.param("POST", "/readyz", 405, id="POST on a probe"),
        pytest.param("POST", "/metrics", 405, id="POST on the metrics"),
        pytest.param("POST", "/bind", 404, id="a verb that is not served"),
        pytest.param("POST", "/filter/", 404, id="a slash too many"),
        pytest.param("POST", "//filter", 405, id="a slash too many in front"),
        pytest.param("POST", "/Filter", 404, id="another case"),
        pytest.param("POST", "/", 404, id="the root"),
        pytest.param("POST", "", 404, id="no path"),
        pytest.param("GET", "/\xff\x00", 404, id="bytes"),
    ],
)
def test_other_requests_are_refused_in_json(method: str, path: str, status: int) -> None:
    answer = Site().request(method, path, asking())
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    if method != "HEAD":
        assert answer.json["Error"]


@pytest.mark.parametrize(("not_ready_reason", "status"), [("", 200), ("the cache has not synced yet", 503)])
def test_readiness_says_why_not(not_ready_reason: str, status: int) -> None:
    site = Site(not_ready_reason=not_ready_reason)
    answer = site.request("GET", "/readyz")
    assert answer.status == status
    assert not_ready_reason in answer.body.decode()
    assert site.request("GET", "/healthz").status == 200


def test_every_answer_is_counted_by_outcome() -> None:
    site = Site()
    site.post("/filter", asking())
    site.post("/filter", asking(NodeNames=["cloud-1"]))
    site.post("/filter", b"{}")
    site.post("/prioritize", asking())
    site.post("/preempt", asking(NodeNameToMetaVictims={}))
    text = site.request("GET", "/metrics").body.decode()
    samples = {
        (sample.labels["verb"], sample.labels["outcome"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "resourcepolicy_extender_requests_total"
    }
    assert samples == {
        ("filter", "placed"): 2,
        ("filter", "Malformed"): 1,
        ("prioritize", "scored"): 1,
        ("preempt", "none"): 1,
    }
