"""Options that several commands share."""

from pathlib import Path

import click

from cli.completion import namespaces

__all__ = ["CLUSTER", "CONFIG", "CONTEXT", "KUBECONFIG", "LIVE", "NAMESPACE", "SNAPSHOT", "TEXT_OR_JSON"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

SNAPSHOT = click.option(
    "--snapshot",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="The cluster, as `kubectl get nodes,pods,resourcepolicies -A -o yaml` (or json) prints it; or -.",
)
LIVE = click.option("--live", is_flag=True, help="The cluster, as its API server has it now.")
KUBECONFIG = click.option(
    "--kubeconfig",
    type=_FILE,
    help="With --live. Without it: $KUBECONFIG, ~/.kube/config, or the account of the pod this runs in.",
)
CLUSTER = click.option(
    "--kubeconfig",
    type=_FILE,
    help="Without it: $KUBECONFIG, ~/.kube/config, or the account of the pod this runs in.",
)
CONFIG = click.option(
    "--config",
    type=_FILE,
    help="The extender's settings, see config/extender.yaml. Without it: the defaults.",
)
NAMESPACE = click.option(
    "--namespace",
    "-n",
    metavar="NAME",
    shell_complete=namespaces,
    help="Without it: the namespace of the context, or default.",
)
CONTEXT = click.option(
    "--context", metavar="NAME", help="A context of the kubeconfig. Without it: the current one."
)
TEXT_OR_JSON = click.option(
    "--output", "-o", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
