"""An extender that does next to nothing: `python -m dev.bench.ceiling --bind HOST:PORT`.

What a scheduler loses with this one, it loses with any.
"""

from socketserver import StreamRequestHandler, ThreadingTCPServer

import click

__all__ = ["main"]

_NAMES = b'"NodeNames":['
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def _answer(body: bytes) -> bytes:
    """Every second of the names in ExtenderArgs; whatever else is asked is answered with ok."""
    begin = body.find(_NAMES) + len(_NAMES)
    if begin < len(_NAMES):
        return b"ok"
    names = body[begin : body.index(b"]", begin)].split(b",")
    return b"{%b%b]}" % (_NAMES, b",".join(names[::2]))


class _Handler(StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while head := list(iter(self._line, b"")):
            lengths = [line.split()[1] for line in head if line.lower().startswith(b"content-length:")]
            answered = _answer(self.rfile.read(int(*lengths)))
            self.wfile.write(_HEAD % len(answered) + answered)

    def _line(self) -> bytes:
        return self.rfile.readline().strip()


class _Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@click.command()
@click.option("--bind", required=True)
@click.option("--kubeconfig")
def main(bind: str, kubeconfig: str) -> None:  # noqa: ARG001  as the others are started
    """Serve until killed."""
    host, _, port = bind.rpartition(":")
    with _Server((host, int(port)), _Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
