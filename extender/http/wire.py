"""extender/v1 on the wire: request bytes to values, decisions to answer bytes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from cluster.kube.decode import PodObject, pod_of
from policy.api.objects import Pod
from policy.api.options import RefusedNodes
from policy.scheduling.filter import NodeRefusals

__all__ = [
    "Candidates",
    "DecodeError",
    "Preemption",
    "decode_candidates",
    "decode_preemption",
    "encode_error",
    "encode_kept",
    "encode_refused",
    "encode_scores",
    "encode_victims",
]


class DecodeError(ValueError):
    """The request is not what kube-scheduler sends; the message says where."""


_Name = Annotated[str, msgspec.Meta(min_length=1)]


class _NodeName(msgspec.Struct, frozen=True):
    name: _Name


class _NodeHead(msgspec.Struct, frozen=True):
    metadata: _NodeName


class _NodeList(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw] = []


class _Args(msgspec.Struct, frozen=True):
    pod: PodObject = msgspec.field(name="Pod")
    nodes: _NodeList | None = msgspec.field(name="Nodes", default=None)
    node_names: list[_Name] | None = msgspec.field(name="NodeNames", default=None)


class _Victim(msgspec.Struct, frozen=True):
    """A MetaPod, or what is needed of a Pod."""

    uid: str = msgspec.field(name="UID", default="")
    metadata: "_Uid | None" = None


class _Uid(msgspec.Struct, frozen=True):
    uid: str


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Victims(msgspec.Struct, frozen=True):
    pods: list[_Victim] | None = msgspec.field(name="Pods", default=None)
    pdb_violations: _Count = msgspec.field(name="NumPDBViolations", default=0)


class _PreemptionArgs(msgspec.Struct, frozen=True):
    pod: PodObject = msgspec.field(name="Pod")
    victims: dict[str, _Victims | None] | None = msgspec.field(name="NodeNameToVictims", default=None)
    meta_victims: dict[str, _Victims | None] | None = msgspec.field(
        name="NodeNameToMetaVictims", default=None
    )


_decode_args = msgspec.json.Decoder(_Args).decode
_decode_preemption = msgspec.json.Decoder(_PreemptionArgs).decode
_decode_node = msgspec.json.Decoder(_NodeHead).decode
_MALFORMED = (ValueError, RecursionError, msgspec.MsgspecError)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Candidates:
    """What filter and prioritize are asked: a pod and the nodes left for it."""

    pod: Pod
    names: Sequence[str]
    nodes: Mapping[str, msgspec.Raw] | None
    """The whole nodes, undecoded, where the scheduler keeps no cache (`nodeCacheCapable: false`)."""


@dataclass(frozen=True, slots=True)
class Preemption:
    """What preempt is asked: a pod, and the uids of the victims by node."""

    pod: Pod
    victims: Mapping[str, Sequence[str]]
    pdb_violations: Mapping[str, int]

    @property
    def protected(self) -> Collection[str]:
        """The nodes with a victim that a PodDisruptionBudget would keep."""
        return [name for name, count in self.pdb_violations.items() if count]


def decode_candidates(body: bytes) -> Candidates:
    """ExtenderArgs, in either node mode.

    Raises:
        DecodeError: no such JSON, no pod with a uid, or no nodes.
    """
    try:
        args = _decode_args(body)
        pod = pod_of(args.pod)
        nodes = None
        if args.node_names is None and args.nodes is not None:
            nodes = {_decode_node(raw).metadata.name: raw for raw in args.nodes.items}
    except _MALFORMED as error:
        raise DecodeError(str(error)) from None
    names = args.node_names if args.node_names is not None else list(nodes or ())
    if not names:
        raise DecodeError("neither NodeNames nor Nodes names a node")
    return Candidates(pod, names, nodes)


def decode_preemption(body: bytes) -> Preemption:
    """ExtenderPreemptionArgs, in either mode, without the nodes that have no victims (1.38 sends them).

    Raises:
        DecodeError: no such JSON, no pod with a uid, or a victim without one.
    """
    try:
        args = _decode_preemption(body)
        pod = pod_of(args.pod)
    except _MALFORMED as error:
        raise DecodeError(str(error)) from None
    listed = args.meta_victims if args.meta_victims is not None else args.victims
    if listed is None:
        raise DecodeError("neither NodeNameToMetaVictims nor NodeNameToVictims is there")
    kept = {name: victims for name, victims in listed.items() if victims and victims.pods}
    uids = {name: [_uid(victim) for victim in kept[name].pods or ()] for name in kept}
    if any("" in victims for victims in uids.values()):
        raise DecodeError("a victim without a uid")
    return Preemption(pod, uids, {name: kept[name].pdb_violations for name in kept})


def _uid(victim: _Victim) -> str:
    return victim.metadata.uid if victim.metadata else victim.uid


def encode_kept(args: Candidates, names: Sequence[str]) -> bytes:
    """ExtenderFilterResult that keeps these nodes, in the mode that was asked in."""
    if args.nodes is None:
        return _encode({"NodeNames": names})
    nodes = args.nodes
    return _encode({"Nodes": {"items": [nodes[name] for name in names]}})


def encode_refused(
    args: Candidates, refused: NodeRefusals, reported: RefusedNodes = RefusedNodes.ALL
) -> bytes:
    """ExtenderFilterResult that keeps none. Preemption there, and on nodes left out, would not help (E3)."""
    kept: dict[str, object] = {"NodeNames": []} if args.nodes is None else {"Nodes": {"items": []}}
    return _encode({**kept, "FailedAndUnresolvableNodes": _failed(refused, reported)})


def _failed(refused: NodeRefusals, reported: RefusedNodes) -> Mapping[str, str | msgspec.Raw]:
    if reported is RefusedNodes.ONE:
        firsts = {unit: refused.nodes[refused.units.index(unit)] for unit in refused.reasons}
        return {name: f"of the {refused.reasons[unit].text}" for unit, name in firsts.items()}
    # Encoded once, not once for each node.
    texts = {unit: msgspec.Raw(_encode(refusal.text)) for unit, refusal in refused.reasons.items()}
    return dict(zip(refused.nodes, map(texts.__getitem__, refused.units), strict=True))


def encode_error(message: str) -> bytes:
    """ExtenderFilterResult that makes the scheduler try again later, with back-off (E4)."""
    return _encode({"Error": message})


def encode_scores(scored: Mapping[int, Collection[str]]) -> bytes:
    """HostPriorityList."""
    return b"[%b]" % b",".join(_scored(names, score) for score, names in scored.items() if names)


def _scored(names: Collection[str], score: int) -> bytes:
    """The list's entries of these. Objects would cost ten times the text (docs/design/python-stack.md, 2)."""
    listed = _encode(names)[1:-1]
    if b"\\" in listed or listed.count(b",") >= len(names):  # a name that looks like two; no node's does
        return _encode([{"Host": name, "Score": score} for name in names])[1:-1]
    entries = listed.replace(b'","', b'","Score":%d},{"Host":"' % score)
    return b'{"Host":%b,"Score":%d}' % (entries, score)


def encode_victims(args: Preemption, names: Sequence[str]) -> bytes:
    """ExtenderPreemptionResult with these of the candidates and their victims, as they were sent."""
    return _encode(
        {
            "NodeNameToMetaVictims": {
                name: {
                    "Pods": [{"UID": uid} for uid in args.victims[name]],
                    "NumPDBViolations": args.pdb_violations[name],
                }
                for name in names
            }
        }
    )
