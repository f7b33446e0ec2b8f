"""What kube-scheduler sends takes the fast path of the server; and the shortest refusal."""

import socket
from contextlib import closing

from dev.harness.extender import Extender
from extender.http.request_head import parse_plain_head
from tests.e2e.objects import Site

END = b"\r\n\r\n"


def test_its_request_is_a_plain_one(site: Site, extender: Extender) -> None:
    """Were it not, every answer would be right, and slow."""
    site.add_nodes("dc")
    extender.kill()
    with closing(socket.create_server(site.plane.extender_address)) as listening:
        listening.settimeout(30)
        site.create_pod("a")
        connection, _ = listening.accept()
        with closing(connection):
            connection.settimeout(30)
            received = b""
            while END not in received:
                received += connection.recv(65536)
    head = parse_plain_head(received)
    assert head is not None, received.partition(END)[0]
    assert head.path == "/filter"


def test_one_refused_node_for_each_reason_stands_for_all(site: Site) -> None:
    """E3: nodes left out are refused like it, nobody is preempted there, and the pod is woken as ever."""
    site.extender.restart(refused_nodes="one")
    site.add_nodes("dc", 2, gpus=2)
    site.add_nodes("cloud", 2, gpus=2)
    site.create_policy(site.unit("dc", max=1), site.unit("cloud", max=0))
    site.create_pods("a")
    assert site.placed("a") == {"a": "dc"}
    site.create_pods("b", "c")
    for name in ("b", "c"):
        site.refused(name, "1 of the node(s) in units[0] of ResourcePolicy policy, which is full: max 1")
        site.refused(name, "1 of the node(s) in units[1] of ResourcePolicy policy, which is full: max 0")
    site.delete_pod("a")
    site.plane.wait(lambda: site.by_pool() == {"dc": 1}, what="one of the others to get the slot")
