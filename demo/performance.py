"""One performance: everything is set up, the story is played and shown, everything is cleared away.

Owns: construction, and the order of starting and stopping.
Must not know: what happens in the story, or how it looks.
"""

from collections.abc import Callable
from contextlib import ExitStack
from threading import Event
from time import monotonic

from rich.console import Console

from controlplane import ControlPlane
from demo.cluster import Programs
from demo.guide import POOLS
from demo.interrupts import Interrupts
from demo.observer import Observer
from demo.setting import set_up
from demo.story import REPLICAS, Stage, play
from demo.summary import Verdict, judge, summarise
from demo.terminal import Display, say

__all__ = ["perform"]


def perform(interrupts: Interrupts, console: Console, *, keep: bool) -> bool:
    """Whether the story went as the guide tells it. With `keep`, not before Ctrl-C."""
    tell = _clocked(console)
    with ExitStack() as cleaning:
        tell("a control plane on loopback: etcd, apiserver, controllers, scheduler, KWOK")
        plane = cleaning.enter_context(ControlPlane())
        programs = cleaning.enter_context(Programs(plane))
        cleaning.callback(interrupts.disarm)  # the last to come is the first to go
        set_up(plane, programs, tell)
        say(console, "The story; its clock starts now.\n")
        verdict = _told(plane, programs, console)
        plane.keep = not verdict.good  # the logs tell why
        if keep:
            _left_up(plane, console)
    return verdict.good


def _told(plane: ControlPlane, programs: Programs, console: Console) -> Verdict:
    with Observer(plane.api, POOLS) as observer, Display(console) as display:
        late = _played(plane, programs, observer, display)
        scene = observer.scene()
        display.show(scene, last=True)
    verdict = Verdict((*late, *judge(scene, REPLICAS).faults))
    for line in ("", *summarise(scene, verdict)):
        say(console, line)
    return verdict


def _played(plane: ControlPlane, programs: Programs, observer: Observer, display: Display) -> tuple[str, ...]:
    """What did not come in time; the rest of the story is not played then."""

    def until(question: Callable[[], bool], *, what: str, seconds: float) -> None:
        def asked() -> bool:
            display.show(observer.scene())
            return question()

        programs.wait(asked, what=what, seconds=seconds)

    try:
        play(Stage(plane.api, observer.scene, observer.enter, until))
    except TimeoutError as error:
        return (str(error),)
    return ()


def _left_up(plane: ControlPlane, console: Console) -> None:
    try:
        say(console, "\nAll of it stays up. In another terminal:")
        say(console, f"export KUBECONFIG={plane.kubeconfig}\nkubectl get pods -o wide")
        say(console, "\nCtrl-C here ends it, and removes what it wrote.")
        Event().wait()
    except KeyboardInterrupt:  # what was waited for, so the story's outcome stands
        return


def _clocked(console: Console) -> Callable[[str], None]:
    began = monotonic()
    return lambda text: say(console, f"{monotonic() - began:5.1f} s  {text}", style="dim")
