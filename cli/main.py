"""The command `resourcepolicy`."""

import difflib
import errno
import logging
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Any

import click

from cli.completion import completion, for_kubectl
from cli.errors import CommandError
from cluster.kube.client import ApiError, NotConfigured, Unreachable
from cluster.settings import InvalidSettings, Settings, load_settings

__all__ = ["main", "plugin", "plugin_completion"]

_KUBECONFIG = click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="How to reach the API server. Without it: the account of the pod this runs in.",
)
_CONFIG = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Settings, see config/extender.yaml. Without it: the defaults.",
)
_VERBOSE = click.option("--verbose", is_flag=True, help="Log every request.")


def _address(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:  # noqa: PLR2004  TCP's
        raise click.BadParameter(f"{value!r} is not HOST:PORT, for example 127.0.0.1:8888")
    return value


_LAZY = ("lint", "simulate", "explain", "status")
"""Commands that are loaded when they run, from cli/NAME/command."""


class _Commands(click.Group):
    """Says in one line what the user can mend, and exits with 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_LAZY})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _LAZY:
            command: click.Command = getattr(import_module(f"cli.{cmd_name}.command"), cmd_name)
            return command
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        known = self.get_command(ctx, name) is not None or name.startswith("-")
        if not known and not ctx.resilient_parsing:
            names = self.list_commands(ctx)
            alike = difflib.get_close_matches(name, names)
            mend = f"did you mean {' or '.join(alike)}?" if alike else f"there are {', '.join(names)}"
            ctx.fail(f"there is no command {name!r}; {mend}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  whatever a command returns
        try:
            return super().invoke(ctx)
        except InvalidSettings as error:
            raise click.UsageError(str(error)) from None
        except NotConfigured as error:
            raise click.UsageError(f"{str(error).rstrip('.')}; name one with --kubeconfig") from None
        except (ApiError, Unreachable) as error:
            raise CommandError(
                f"the API server: {error}; is it up, and is it the right kubeconfig?"
            ) from None
        except OSError as error:
            if error.errno != errno.ENOSPC or error.filename:  # no name: it was to be printed
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where Python flushes the rest to
            raise CommandError(f"the output: {error.strerror}; make room, or send it elsewhere") from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="resourcepolicy")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Ordered units of nodes for stock Kubernetes.

    Before a policy meets a cluster, lint and simulate it; afterwards status shows where its pods are, and
    explain says why one of them is where it is. serve and watch are the two programs of the cluster; release
    takes back what watch wrote. Each command has an example: resourcepolicy COMMAND --help.
    """
    if os.environ.get("NO_COLOR"):  # no-color.org; without it click colours on a terminal only
        ctx.color = False


def plugin() -> None:
    """As `kubectl resourcepolicy`, which kubectl finds as kubectl-resourcepolicy on PATH."""
    main(prog_name="kubectl resourcepolicy")


def plugin_completion() -> None:
    """What kubectl runs, as kubectl_complete-resourcepolicy, when TAB is pressed behind the plugin's name."""
    for line in for_kubectl(main, sys.argv[1:]):
        click.echo(line)


@main.command()
@_KUBECONFIG
@_CONFIG
@click.option(
    "--bind",
    default="127.0.0.1:8888",
    show_default=True,
    callback=_address,
    help="HOST:PORT to listen on.",
)
@_VERBOSE
def serve(kubeconfig: Path | None, config: Path | None, bind: str, *, verbose: bool) -> None:
    """Answer kube-scheduler: filter, prioritize, preempt.

    Example: resourcepolicy serve --kubeconfig ~/.kube/config --bind 127.0.0.1:8888
    """
    from cluster.kube.client import connect  # noqa: PLC0415  the web server is no business of `watch`
    from extender.http.gunicorn_app import serve as run  # noqa: PLC0415
    from extender.server import Server  # noqa: PLC0415

    settings = _prepare(config, verbose=verbose)
    connect(
        kubeconfig
    ).close()  # a mistake in it is said here, once, and not by a worker that dies again and again
    sys.argv = sys.argv[:1]
    run(lambda: Server(kubeconfig, settings), bind)


@main.command()
@_KUBECONFIG
@_CONFIG
@click.option("--metrics", callback=_address, help="HOST:PORT to serve /metrics at. Without it: nowhere.")
@_VERBOSE
def watch(kubeconfig: Path | None, config: Path | None, metrics: str | None, *, verbose: bool) -> None:
    """Make cluster-autoscaler grow the unit that the policy names.

    Example: resourcepolicy watch --kubeconfig ~/.kube/config
    """
    from watcher.run import watch as run  # noqa: PLC0415
    from watcher.telemetry.metrics import WatcherMetrics, serve_metrics  # noqa: PLC0415  as in `serve`

    settings = _prepare(config, verbose=verbose)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    counted = WatcherMetrics()
    if metrics:
        try:
            serve_metrics(counted, metrics)
        except OSError as error:
            raise click.UsageError(f"--metrics {metrics}: {error.strerror}") from None
    run(kubeconfig, settings, stop, counted)


@main.command()
@_KUBECONFIG
@_CONFIG
@click.option("--all", "everything", is_flag=True, help="All that we wrote on pods, to leave for good.")
@click.option("--dry-run", is_flag=True, help="Say what there is, and remove nothing.")
def release(kubeconfig: Path | None, config: Path | None, *, everything: bool, dry_run: bool) -> None:
    """Give pending pods back to cluster-autoscaler.

    Holds, requests and placeholders are removed. Without a watcher a held pod gets no node for up to half an
    hour: release it if the watcher stays away. Stop `resourcepolicy watch` first, or it holds them again.
    With --all, records of units and deletion costs go too: stop `serve` first.

    Example: resourcepolicy release --kubeconfig ~/.kube/config --dry-run
    """
    from cli.release import leave  # noqa: PLC0415
    from cluster.kube.client import connect  # noqa: PLC0415  as in `serve`

    namespace = load_settings(config).watcher.namespace
    sys.exit(leave(connect(kubeconfig), namespace, click.echo, everything=everything, dry=dry_run))


main.add_command(completion)


def _prepare(config: Path | None, *, verbose: bool) -> Settings:
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    logging.getLogger("extender.http.app").setLevel(logging.INFO if verbose else logging.WARNING)
    return load_settings(config)
