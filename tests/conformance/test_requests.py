"""What kube-scheduler puts on the wire is what the server takes the short way with.

Owns the bytes of one request, taken by a socket in the extender's place. Must not know: what is answered.
"""

import socket
from contextlib import closing

from extender.head import plain_head
from tests.conformance.objects import Site
from tests.conformance.programs import Extender

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
    head = plain_head(received)
    assert head is not None, received.partition(END)[0]
    assert head.path == "/filter"
