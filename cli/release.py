"""The command `resourcepolicy release`: what it says, and whether all is gone."""

from collections import Counter
from collections.abc import Callable

from cluster.kube.client import KubeClient
from watcher.cleanup import release, removals

__all__ = ["leave"]


def leave(
    connection: KubeClient, namespace: str, say: Callable[[str], object], *, everything: bool, dry: bool
) -> int:
    """Take it back, or with `dry` tell what there is; 0 if nothing is left that should go."""
    wanted = list(removals(connection, namespace, everything=everything))
    if dry:
        say(_counted("there is", Counter(removal.what for removal in wanted)))
        return 0
    done = release(wanted)
    say(_counted("removed", done.gone))
    for left in done.left:
        say(f"left: {left}")
    return int(bool(done.left))


def _counted(verb: str, counts: Counter[str]) -> str:
    parts = [f"{count} x {what}" for what, count in sorted(counts.items())]
    return f"{verb}: {', '.join(parts) or 'nothing of ours'}"
