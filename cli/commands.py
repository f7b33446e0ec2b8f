"""The commands for those who write policies, as they are typed."""

from pathlib import Path
from typing import Any

import click

from cli.completion import namespaces, pods, policies
from policy.lint.findings import Code

__all__ = ["explain", "lint", "simulate", "status"]

_SNAPSHOT = click.option(
    "--snapshot",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="The cluster, as `kubectl get nodes,pods,resourcepolicies -A -o yaml` (or json) prints it; or -.",
)
_LIVE = click.option("--live", is_flag=True, help="The cluster, as its API server has it now.")
_KUBECONFIG = click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --live. Without it: $KUBECONFIG, ~/.kube/config, or the account of the pod this runs in.",
)
_CONFIG = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The extender's settings, see config/extender.yaml. Without it: the defaults.",
)
_NAMESPACE = click.option(
    "--namespace",
    "-n",
    metavar="NAME",
    shell_complete=namespaces,
    help="Without it: the namespace of the context, or default.",
)
_CONTEXT = click.option(
    "--context", metavar="NAME", help="A context of the kubeconfig. Without it: the current one."
)
_ASKED_CLUSTER = click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Without it: $KUBECONFIG, ~/.kube/config, or the account of the pod this runs in.",
)


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE|DIRECTORY|-]...")
@_LIVE
@_KUBECONFIG
@_SNAPSHOT
@click.option("--scheduler-config", metavar="FILE", help="kube-scheduler's configuration, to be linted too.")
@click.option("--server-config", metavar="FILE", help="The extender's gunicorn.conf.py: its keep-alive.")
@_CONFIG
@click.option(
    "--nodes-start",
    default="5m",
    show_default=True,
    metavar="DURATION",
    help="How long an autoscaler's node takes until pods run on it.",
)
@click.option(
    "--ignore",
    multiple=True,
    type=click.Choice([str(code) for code in Code]),
    metavar="CODE",
    help="Leave out these findings; may be repeated.",
)
@click.option(
    "-o",
    "--output",
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
)
def lint(**options: Any) -> None:  # noqa: ANN401  click passes what it has parsed
    """Find what is legal in a policy and hurts all the same.

    Put workloads (Deployments, ...) beside the policies to have both compared. With a cluster, --live or
    --snapshot, selectors are tried on its pods and nodes; without FILE its own policies are linted. Exit code
    1 if there is an error, 2 if something cannot be read. Codes: docs/lint.md.

    Example: resourcepolicy lint policy.yaml deployment.yaml --scheduler-config kube-scheduler.yaml
    """
    from cli.lint.command import LintOptions, run  # noqa: PLC0415  only what is run is loaded

    run(LintOptions(**options))


@click.command()
@click.option(
    "--policy",
    metavar="FILE",
    help="The policy to try, in place of the one of that name in the cluster. Without it: the cluster's own.",
)
@_SNAPSHOT
@_LIVE
@_KUBECONFIG
@click.option(
    "--scale",
    multiple=True,
    metavar="NAME=N",
    help="A workload and how many pods it is to have; may be repeated. NAMESPACE/NAME if two are called so.",
)
@click.option(
    "--pod",
    metavar="FILE",
    help="A Deployment, Job, Pod, ... that is not in the cluster yet; as many pods as it says, or --scale.",
)
@click.option(
    "--add-nodes", multiple=True, metavar="UNIT=N", help="N more nodes in a unit, like those that it has."
)
@click.option(
    "--nodes-start",
    metavar="DURATION",
    help="Let the nodes that an autoscaler is asked for come after this time. Without it: they never come.",
)
@click.option("--compare", metavar="FILE", help="Another policy, played in the same way, side by side.")
@_CONFIG
@click.option(
    "--output", "-o", "form", type=click.Choice(["text", "json", "html"]), default="text", show_default=True
)
def simulate(**options: Any) -> None:  # noqa: ANN401  click passes what it has parsed
    """See what a policy would do, before it does it.

    Nothing is asked of the cluster but what it holds. Pods arrive one by one, as after `kubectl scale`, and
    each is answered as the extender would answer kube-scheduler; in-tree, resources, taints, node selectors
    and required node affinity are looked at. It tells how many pods land in each unit, when they spill, what
    stays pending and why, what an autoscaler would be asked for, and what scale-in takes first.

    Example: resourcepolicy simulate --policy web.yaml --snapshot cluster.yaml --scale web=12
    """
    from cli.simulate.command import SimulateOptions, run  # noqa: PLC0415  as in `lint`

    run(SimulateOptions(**options))


@click.command()
@click.argument("pod", metavar="POD", shell_complete=pods)
@_NAMESPACE
@_ASKED_CLUSTER
@_CONTEXT
@click.option(
    "--server",
    metavar="URL",
    help="Where `resourcepolicy serve` listens. Without it: its Service, through the API server's proxy.",
)
@_SNAPSHOT
@_CONFIG
@click.option(
    "--output", "-o", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def explain(**options: Any) -> None:  # noqa: ANN401  click passes what it has parsed
    """Say why a pod is where it is, and why in no earlier unit.

    For each unit: what it was to the pod (used, exhausted, no room, waiting, not reached), by which rule of
    docs/rules.md, and the numbers at the time, as the server remembers them. Then what kube-scheduler said,
    what cluster-autoscaler was asked and answered, and when the pod is tried again. If the server cannot be
    asked, the same rules are applied to what the API tells now, and it says so.

    Example: resourcepolicy explain web-7d9-x2x4z -n shop
    """
    from cli.explain.command import ExplainOptions, run  # noqa: PLC0415  as in `lint`

    run(ExplainOptions(**options))


@click.command()
@click.argument("policy", metavar="[POLICY]", required=False, shell_complete=policies)
@_NAMESPACE
@click.option("--all-namespaces", "-A", "everywhere", is_flag=True, help="Every policy of the cluster.")
@_ASKED_CLUSTER
@_CONTEXT
@_SNAPSHOT
@_CONFIG
@click.option(
    "--output", "-o", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def status(**options: Any) -> None:  # noqa: ANN401  click passes what it has parsed
    """Show where the pods of a policy are, unit by unit.

    For each unit its nodes, its pods, their share, and how much of its caps the fullest group has; what is
    pending; and the spill, the share of pods that are not in units[0], by when they were placed. Of pods that
    are gone the API tells nothing.

    Example: resourcepolicy status web -n shop
    """
    from cli.status.command import StatusOptions, run  # noqa: PLC0415  as in `lint`

    run(StatusOptions(**options))
