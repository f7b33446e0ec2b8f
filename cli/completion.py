"""Completion: for shells by click's own mechanism, for kubectl by its plugins' protocol, names by asking.

Whatever goes wrong offers nothing: a prompt is no place for errors. kubectl's protocol is cobra's: a
candidate a line, then `:` and a directive.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from cli.cluster.live import POLICIES, Session, in_namespace
from cluster.kube.client import ApiError, Unreachable

__all__ = ["completion", "for_kubectl", "namespaces", "pods", "policies"]

_PROGRAM, _VARIABLE = "resourcepolicy", "_RESOURCEPOLICY_COMPLETE"
_SECONDS = 2.0
_FILES_TOO, _NOTHING_ELSE = 0, 4


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands, options and names.

    Write it where your shell looks, or source it: bash and zsh by a line in ~/.bashrc or ~/.zshrc,
    eval "$(resourcepolicy completion bash)"; fish reads ~/.config/fish/completions/resourcepolicy.fish. For
    kubectl resourcepolicy nothing is to be done: kubectl asks kubectl_complete-resourcepolicy on PATH.

    Example: resourcepolicy completion bash > /etc/bash_completion.d/resourcepolicy
    """
    script = get_completion_class(shell)
    if script is not None:
        click.echo(script(ctx.find_root().command, {}, _PROGRAM, _VARIABLE).source())


def for_kubectl(command: click.Command, words: Sequence[str]) -> Iterator[str]:
    """What kubectl is to offer for the last of the words after `kubectl resourcepolicy`."""
    *before, begun = words or [""]
    found = ShellComplete(command, {}, _PROGRAM, _VARIABLE).get_completions(before, begun)
    offered = [item for item in found if item.type == "plain"]
    for item in offered:
        yield f"{item.value}\t{item.help}" if item.help else str(item.value)
    yield f":{_NOTHING_ELSE if len(offered) == len(found) else _FILES_TOO}"


def pods(ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Pods of the namespace that was typed."""
    return _named(ctx, "/api/v1/pods", begun)


def policies(ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    """ResourcePolicies of the namespace that was typed."""
    return _named(ctx, POLICIES, begun)


def namespaces(ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Namespaces."""
    return _named(ctx, "/api/v1/namespaces", begun, namespaced=False)


class _Head(msgspec.Struct):
    name: str


class _Object(msgspec.Struct):
    metadata: _Head


class _Objects(msgspec.Struct):
    items: list[_Object]


def _named(ctx: click.Context, path: str, begun: str, *, namespaced: bool = True) -> list[CompletionItem]:
    kubeconfig = ctx.params.get("kubeconfig")
    try:
        with Session(Path(kubeconfig) if kubeconfig else None, ctx.params.get("context")) as session:
            namespace = ctx.params.get("namespace") or session.namespace
            asked = in_namespace(path, namespace) if namespaced else path
            body = session.get(asked, {"resourceVersion": "0"}, _SECONDS)
            names = sorted(one.metadata.name for one in msgspec.json.decode(body, type=_Objects).items)
    except (click.ClickException, ApiError, Unreachable, OSError, msgspec.MsgspecError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(begun)]
