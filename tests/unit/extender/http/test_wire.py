"""What a real kube-scheduler sends is read right, and what it never sends is refused with a reason."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extender.http import wire
from policy.api.options import RefusedNodes
from policy.scheduling.filter import NodeRefusals
from policy.scheduling.refusals import Reason, Refusal
from tests.builders import a_policy, amounts

Json = Any

HERE = Path(__file__).parent / "wire"
VALID = sorted((HERE / "valid").iterdir())
RECORDED = [path for path in VALID if not path.name.startswith("preempt")]
PREEMPTIONS = [path for path in VALID if path.name.startswith("preempt")]
GPU = "nvidia.com/gpu"
PLAIN = amounts({"cpu": "250m", "memory": "1Gi", GPU: "1"})
# The sidecar runs on; the init container's 2Gi outweigh the 1Gi; the RuntimeClass adds 50m and 64Mi.
RICH = amounts({"cpu": "400m", "memory": "2112Mi", GPU: "1"})

REASONS = {
    "filter-a-byte-order-mark.bin": "malformed",
    "filter-a-list.json": "got `array`",
    "filter-both-modes-absent.json": "neither NodeNames nor Nodes",
    "filter-both-modes-null.json": "neither NodeNames nor Nodes",
    "filter-lower-case-keys.json": "missing required field `Pod`",
    "filter-name-half-a-surrogate.bin": "truncated",
    "filter-name-no-utf8.bin": "utf-8",
    "filter-names-a-null.json": "$.NodeNames[1]",
    "filter-names-a-number.json": "$.NodeNames[0]",
    "filter-names-a-string.json": "$.NodeNames",
    "filter-names-an-empty-one.json": "length >= 1",
    "filter-names-an-object.json": "$.NodeNames",
    "filter-names-none.json": "neither NodeNames nor Nodes",
    "filter-no-json.bin": "malformed",
    "filter-no-keys.json": "missing required field `Pod`",
    "filter-nodes-a-null.json": "got `null`",
    "filter-nodes-an-empty-name.json": "length >= 1",
    "filter-nodes-none.json": "neither NodeNames nor Nodes",
    "filter-nodes-null.json": "$.Nodes.items",
    "filter-nodes-without-a-name.json": "missing required field `name`",
    "filter-nodes-without-metadata.json": "missing required field `metadata`",
    "filter-null.json": "got `null`",
    "filter-only-spaces.bin": "truncated",
    "filter-pod-a-string.json": "$.Pod",
    "filter-pod-containers-an-object.json": "$.Pod.spec.containers",
    "filter-pod-created-a-word.json": "$.Pod.metadata.creationTimestamp",
    "filter-pod-label-a-number.json": "$.Pod.metadata.labels",
    "filter-pod-labels-a-list.json": "$.Pod.metadata.labels",
    "filter-pod-null.json": "$.Pod",
    "filter-pod-phase-unheard-of.json": "$.Pod.status.phase",
    "filter-pod-priority-a-string.json": "$.Pod.spec.priority",
    "filter-pod-with-an-empty-name.json": "no metadata.name",
    "filter-pod-with-an-empty-uid.json": "no metadata.uid",
    "filter-pod-without-metadata.json": "missing required field `metadata`",
    "filter-pod-without-name.json": "no metadata.name",
    "filter-pod-without-uid.json": "no metadata.uid",
    "filter-quantity-a-word.json": "'much' is not a quantity",
    "filter-quantity-beyond-floats.bin": "out of range",
    "filter-quantity-empty.json": "'' is not a quantity",
    "filter-quantity-negative.json": "negative quantity",
    "filter-quantity-not-a-number.bin": "malformed",
    "filter-quantity-null.json": "requests",
    "filter-quantity-true.json": "requests",
    "filter-trailing-garbage.bin": "trailing characters",
    "filter-truncated.bin": "truncated",
    "filter-two-values.bin": "trailing characters",
    "preempt-a-list.json": "$.NodeNameToMetaVictims",
    "preempt-both-modes-null.json": "neither NodeNameToMetaVictims nor NodeNameToVictims",
    "preempt-pod-null.json": "$.Pod",
    "preempt-pod-without-uid.json": "no metadata.uid",
    "preempt-truncated.bin": "truncated",
    "preempt-victim-null.json": "Pods[0]",
    "preempt-victim-with-an-empty-uid.json": "a victim without a uid",
    "preempt-victim-without-uid.json": "a victim without a uid",
    "preempt-victims-an-object.json": "Pods",
    "preempt-violations-a-fraction.json": "NumPDBViolations",
    "preempt-violations-beyond-int64.json": "NumPDBViolations",
    "preempt-violations-negative.json": "NumPDBViolations",
    "preempt-whole-victim-without-uid.json": "missing required field `uid`",
}


def named(path: Path) -> str:
    return path.stem


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def asking(pod: Json = None, **fields: Json) -> bytes:
    written = {"metadata": {"name": "a", "namespace": "default", "uid": "u"}, **(pod or {})}
    return json.dumps({"Pod": written, **(fields or {"NodeNames": ["dc-1"]})}).encode()


# Too large to be kept as files.
MADE = {
    "100,000 brackets": (nested(100_000), "got `array`"),
    "100,000 brackets in a field that nobody reads": (
        asking({"status": {"unread": 0}}).replace(b'"unread": 0', b'"unread": ' + nested(100_000)),
        "recursion",
    ),
    "100,000 brackets in a node": (
        asking(Nodes={"items": [{"metadata": {"name": "n"}, "unread": 0}]}).replace(
            b'"unread": 0', b'"unread": ' + nested(100_000)
        ),
        "recursion",
    ),
    "100,000 objects, never closed": (b'{"Pod":' + b'{"a":' * 100_000, "recursion"),
    "a quantity of 5,000 digits": (
        asking({"spec": {"containers": [{"resources": {"requests": {"cpu": "9" * 5000}}}]}}),
        "4300",
    ),
}


def decode(path: Path, body: bytes) -> object:
    return (wire.decode_preemption if path.name.startswith("preempt") else wire.decode_candidates)(body)


# What is sent.


@pytest.mark.parametrize("path", RECORDED, ids=named)
def test_the_pod_and_the_nodes_are_what_the_scheduler_wrote(path: Path) -> None:
    body = path.read_bytes()
    written = json.loads(body)
    asked = wire.decode_candidates(body)
    metadata = written["Pod"]["metadata"]
    assert (asked.pod.uid, asked.pod.name) == (metadata["uid"], metadata["name"])
    assert asked.pod.labels == metadata["labels"]
    assert asked.pod.nominated_node == written["Pod"]["status"].get("nominatedNodeName", "")
    if "-names" in path.name:
        assert asked.nodes is None
        assert asked.names == written["NodeNames"]
    else:
        assert asked.nodes is not None
        assert [*asked.nodes] == asked.names == [it["metadata"]["name"] for it in written["Nodes"]["items"]]


@pytest.mark.parametrize("mode", ["names", "nodes"])
@pytest.mark.parametrize(
    ("name", "requests", "priority"),
    [
        pytest.param("filter-{}", PLAIN, 0, id="an ordinary pod"),
        pytest.param("filter-{}-init-container-sidecar-overhead", RICH, 0, id="a pod of many parts"),
        pytest.param("filter-{}-nominated", PLAIN, 1000, id="a preemptor"),
        pytest.param("filter-{}-of-a-job", {**PLAIN, GPU: 0}, 0, id="a zero quantity"),
    ],
)
def test_requests_are_what_the_scheduler_counts(
    mode: str, name: str, requests: dict[str, int], priority: int
) -> None:
    pod = wire.decode_candidates((HERE / "valid" / f"{name.format(mode)}.json").read_bytes()).pod
    assert dict(pod.requests) == requests
    assert pod.priority == priority
    assert pod.preempts


@pytest.mark.parametrize("path", PREEMPTIONS, ids=named)
def test_victims_are_named_by_uid_in_both_modes(path: Path) -> None:
    written = json.loads(path.read_bytes())
    asked = wire.decode_preemption(path.read_bytes())
    whole, meta = written["NodeNameToVictims"], written["NodeNameToMetaVictims"]
    expected = {
        node: [pod["UID"] if whole is None else pod["metadata"]["uid"] for pod in victims["Pods"]]
        for node, victims in (whole or meta).items()
    }
    assert asked.victims == expected
    assert set(asked.pdb_violations.values()) == {0}


# What is answered.


@pytest.mark.parametrize("path", RECORDED, ids=named)
def test_kept_nodes_come_back_as_they_were_sent(path: Path) -> None:
    """E2: in the mode that was asked in, and nothing else."""
    written = json.loads(path.read_bytes())
    asked = wire.decode_candidates(path.read_bytes())
    answer = json.loads(wire.encode_kept(asked, asked.names[-1:]))
    if written["Nodes"] is None:
        assert answer == {"NodeNames": written["NodeNames"][-1:]}
    else:
        assert answer == {"Nodes": {"items": written["Nodes"]["items"][-1:]}}


@pytest.mark.parametrize("path", RECORDED, ids=named)
def test_a_refusal_is_unresolvable_and_never_without_nodes_or_reason(path: Path) -> None:
    """E3: `{}` would reject without a reason, FailedNodes would invite preemption."""
    written = json.loads(path.read_bytes())
    asked = wire.decode_candidates(path.read_bytes())
    refusal = Refusal(Reason.OUTSIDE_UNITS, a_policy())
    refused = NodeRefusals(asked.names, [None] * len(asked.names), {None: refusal})
    answer = json.loads(wire.encode_refused(asked, refused))
    assert answer.pop("FailedAndUnresolvableNodes") == dict.fromkeys(asked.names, refusal.text)
    assert answer == ({"NodeNames": []} if written["Nodes"] is None else {"Nodes": {"items": []}})


def test_of_many_refused_nodes_one_may_tell_each_reason() -> None:
    """E3: the others count as refused, as they are left out."""
    asked = wire.decode_candidates(asking(NodeNames=["a", "b", "c"]))
    full, outside = (Refusal(reason, a_policy()) for reason in (Reason.MAX_REACHED, Reason.OUTSIDE_UNITS))
    refused = NodeRefusals(asked.names, [0, 0, None], {0: full, None: outside})
    answer = json.loads(wire.encode_refused(asked, refused, RefusedNodes.ONE))
    assert answer["NodeNames"] == []
    assert answer["FailedAndUnresolvableNodes"] == {"a": f"of the {full.text}", "c": f"of the {outside.text}"}


@pytest.mark.parametrize("path", PREEMPTIONS, ids=named)
def test_victims_come_back_as_meta_victims_in_both_modes(path: Path) -> None:
    written = json.loads(path.read_bytes())
    asked = wire.decode_preemption(path.read_bytes())
    node = next(iter(asked.victims))
    victims = (written["NodeNameToVictims"] or written["NodeNameToMetaVictims"])[node]["Pods"]
    uids = [{"UID": pod.get("UID") or pod["metadata"]["uid"]} for pod in victims]
    answer = json.loads(wire.encode_victims(asked, [node]))
    assert answer == {"NodeNameToMetaVictims": {node: {"Pods": uids, "NumPDBViolations": 0}}}


def test_scores_are_a_bare_list_of_whole_numbers() -> None:
    """`5.0` would spoil the list."""
    assert wire.encode_scores({10: ["dc-1", "dc-2"], 9: [], 0: ["cloud-1"]}) == (
        b'[{"Host":"dc-1","Score":10},{"Host":"dc-2","Score":10},{"Host":"cloud-1","Score":0}]'
    )
    assert wire.encode_scores({}) == b"[]"


@given(st.dictionaries(st.integers(0, 10), st.lists(st.text('ab",\\\n[', min_size=1))))
def test_scores_are_those_of_a_plain_encoder(scored: dict[int, list[str]]) -> None:
    """Whatever the names look like."""
    plain = [{"Host": name, "Score": score} for score, names in scored.items() for name in names]
    assert json.loads(wire.encode_scores(scored)) == plain


def test_violations_are_echoed() -> None:
    body = asking(NodeNameToMetaVictims={"n": {"Pods": [{"UID": "v"}], "NumPDBViolations": 3}})
    asked = wire.decode_preemption(body)
    answer = json.loads(wire.encode_victims(asked, ["n"]))
    assert answer["NodeNameToMetaVictims"]["n"]["NumPDBViolations"] == 3


def test_a_node_is_protected_by_its_violations() -> None:
    victims = [{"UID": "v"}]
    nodes = {name: {"Pods": victims, "NumPDBViolations": count} for name, count in (("n", 1), ("other", 0))}
    assert list(wire.decode_preemption(asking(NodeNameToMetaVictims=nodes)).protected) == ["n"]


# What is tolerated.


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param({}, id="no spec and no status"),
        pytest.param({"spec": {"containers": [{}]}}, id="no resources"),
        pytest.param({"spec": {"containers": [{"resources": {"requests": None}}]}}, id="null requests"),
        pytest.param(
            {"spec": {"nodeSelector": None, "tolerations": None, "initContainers": None}}, id="null maps"
        ),
        pytest.param({"status": {"conditions": None}}, id="null conditions"),
        pytest.param({"spec": {"fromTheFuture": {"a": [1, {}]}}}, id="a field from the future"),
        pytest.param(
            {"metadata": {"name": "a", "uid": "u", "labels": None, "creationTimestamp": None}},
            id="null metadata",
        ),
        pytest.param(
            {"metadata": {"name": "a", "uid": "u", "creationTimestamp": "0001-01-01T00:00:00Z"}},
            id="Go's zero time",
        ),
        pytest.param({"spec": {"priority": -2_147_483_648}}, id="the lowest priority"),
    ],
)
def test_a_bare_pod_is_a_pod(pod: Json) -> None:
    assert wire.decode_candidates(asking(pod)).pod.uid == "u"


def test_names_outrank_nodes_if_both_are_there() -> None:
    asked = wire.decode_candidates(
        asking(NodeNames=["dc-1"], Nodes={"items": [{"metadata": {"name": "dc-2"}}]})
    )
    assert (asked.names, asked.nodes) == (["dc-1"], None)


@pytest.mark.parametrize(
    "victims",
    [
        pytest.param(None, id="null"),
        pytest.param({"Pods": None, "NumPDBViolations": 0}, id="null pods"),
        pytest.param({"Pods": [], "NumPDBViolations": 0}, id="no pods"),
        pytest.param({}, id="no keys"),
    ],
)
def test_a_node_without_victims_is_dropped(victims: Json) -> None:
    """1.38 sends them; in the answer one would fail all of it."""
    some = {"Pods": [{"UID": "v"}], "NumPDBViolations": 0}
    asked = wire.decode_preemption(asking(NodeNameToMetaVictims={"empty": victims, "n": some}))
    assert asked.victims == {"n": ["v"]}


def test_sixteen_thousand_names_are_read() -> None:
    names = [f"node-{number:05}.eu-central.example.internal" for number in range(16_000)]
    asked = wire.decode_candidates(asking(NodeNames=names))
    assert asked.names == names
    assert json.loads(wire.encode_kept(asked, asked.names)) == {"NodeNames": names}


# What is refused.


def test_every_invalid_file_is_in_the_table() -> None:
    assert {path.name for path in (HERE / "invalid").iterdir()} == set(REASONS)


@pytest.mark.parametrize("name", REASONS)
def test_what_the_scheduler_never_sends_is_refused_with_a_reason(name: str) -> None:
    path = HERE / "invalid" / name
    with pytest.raises(wire.DecodeError) as refused:
        decode(path, path.read_bytes())
    assert REASONS[name] in str(refused.value)


@pytest.mark.parametrize("name", MADE)
def test_what_is_too_large_to_mean_anything_is_refused(name: str) -> None:
    body, reason = MADE[name]
    with pytest.raises(wire.DecodeError, match=reason):
        wire.decode_candidates(body)
    with pytest.raises(wire.DecodeError):
        wire.decode_preemption(body)


@pytest.mark.parametrize("path", VALID, ids=named)
def test_a_request_cut_anywhere_is_refused(path: Path) -> None:
    body = path.read_bytes()
    for end in range(0, len(body), 7):
        with pytest.raises(wire.DecodeError):
            decode(path, body[:end])


@given(body=st.binary(max_size=200), verb=st.sampled_from(["filter", "preempt"]))
def test_bytes_are_refused_and_nothing_else_is_raised(body: bytes, verb: str) -> None:
    with pytest.raises(wire.DecodeError):
        decode(Path(verb), body)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def places(written: Json) -> list[tuple[Json, ...]]:
    """The path of every value in it."""
    found: list[tuple[Json, ...]] = []
    for key, value in written.items() if isinstance(written, dict) else enumerate(written):
        inner = places(value) if isinstance(value, dict | list) else []
        found += [(key,), *((key, *path) for path in inner)]
    return found


@given(data=st.data(), path=st.sampled_from(VALID), value=values)
def test_one_wrong_value_is_read_or_refused(data: st.DataObject, path: Path, value: Json) -> None:
    """A scheduler of tomorrow, or a proxy's idea of one: never another exception."""
    written = json.loads(path.read_bytes())
    *way, last = data.draw(st.sampled_from(places(written)))
    inner = written
    for step in way:
        inner = inner[step]
    inner[last] = value
    with suppress(wire.DecodeError):
        decode(path, json.dumps(written).encode())
