"""Informers: nodes, pods and policies kept current in the cache, by one reflector and one thread each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any, Generic, TypeVar

from cluster.cache.cache import Cache
from cluster.cache.pod_change_queue import PodChangeQueue
from cluster.kube.client import KubeClient
from cluster.kube.decode import NodeObject, PodObject, node_of, pod_of
from cluster.kube.reflector import Reflector, Resource
from policy.api import wellknown
from policy.api.resourcepolicy import InvalidPolicyError, RejectedPolicy, ResourcePolicy

__all__ = ["Informers"]

R = TypeVar("R")

_GROUP = f"/apis/{wellknown.RESOURCEPOLICY_API}"


def _policy_of(manifest: Mapping[str, Any]) -> ResourcePolicy | RejectedPolicy:
    try:
        return ResourcePolicy.from_manifest(manifest)
    except InvalidPolicyError as error:
        metadata = manifest["metadata"]
        key = f"{metadata['namespace']}/{metadata['name']}"
        return RejectedPolicy(key, metadata.get("generation", 0), error.errors, metadata.get("uid", ""))


@dataclass(frozen=True, slots=True)
class _CacheSink(Generic[R]):
    """A sink that calls the cache under its lock."""

    cache: Cache
    replaced: Callable[[Sequence[R]], None]
    upserted: Callable[[R], None]
    removed: Callable[[R], None]
    begun: Callable[[], None] = lambda: None

    def begin_list(self) -> None:
        with self.cache.lock:
            self.begun()

    def replace(self, items: Sequence[R]) -> None:
        with self.cache.lock:
            self.replaced(items)

    def upsert(self, item: R) -> None:
        with self.cache.lock:
            self.upserted(item)

    def remove(self, item: R) -> None:
        with self.cache.lock:
            self.removed(item)


def _both(first: Callable[[R], None], then: Callable[[R], None]) -> Callable[[R], None]:
    def call_both(item: R) -> None:
        first(item)
        then(item)

    return call_both


class Informers:
    """The three reflectors; `start` them after any fork."""

    def __init__(self, client: KubeClient, cache: Cache, queue: PodChangeQueue | None = None) -> None:
        """`queue` gets every pod and policy change, after the cache."""
        self._client = client
        self._stop = Event()
        self._threads: list[Thread] = []
        self.reflectors: dict[str, Reflector[Any, Any]] = {
            "nodes": Reflector(
                client,
                Resource("/api/v1/nodes", NodeObject, node_of),
                _CacheSink(
                    cache,
                    cache.replace_nodes,
                    cache.upsert_node,
                    lambda node: cache.remove_node(node.name),
                ),
            ),
            "pods": Reflector(
                client,
                Resource("/api/v1/pods", PodObject, pod_of),
                _CacheSink(
                    cache,
                    cache.replace_pods,
                    cache.upsert_pod if queue is None else _both(cache.upsert_pod, queue.pod),
                    cache.remove_pod,
                    cache.begin_list_of_pods,
                ),
            ),
            "resourcepolicies": Reflector(
                client,
                Resource(f"{_GROUP}/resourcepolicies", dict[str, Any], _policy_of),
                _CacheSink(
                    cache,
                    cache.replace_policies,
                    cache.upsert_policy
                    if queue is None
                    else _both(cache.upsert_policy, lambda _: queue.everything()),
                    lambda policy: cache.remove_policy(policy.key),
                ),
            ),
        }

    def synced(self) -> bool:
        """Whether each first list has arrived."""
        return all(reflector.synced for reflector in self.reflectors.values())

    def start(self) -> None:
        """Begin listing and watching."""
        for name, reflector in self.reflectors.items():
            thread = Thread(target=reflector.run, args=(self._stop,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End every watch and wait for the threads."""
        self._stop.set()
        self._client.close()
        for thread in self._threads:
            thread.join(timeout=5)
