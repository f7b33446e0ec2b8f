"""One performance: everything is set up, the story is played and shown, everything is cleared away."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from time import monotonic

from rich.console import Console

from dev.controlplane import QUICK_HPA, ControlPlane, CustomMetrics, PlaneOptions
from dev.demo.chart import timeline as drawn
from dev.demo.checks import Verdict, judge
from dev.demo.display import Display, say
from dev.demo.fixtures import DEPLOYMENT, METRIC, POOLS
from dev.demo.load_generator import Load
from dev.demo.model import Scene
from dev.demo.observer import Observer
from dev.demo.scenario import REPLICAS, Stage, play
from dev.demo.setup import set_up
from dev.demo.signals import Interrupts
from dev.demo.summary import summarise
from dev.harness.programs import Programs

__all__ = ["perform"]

AGAIN = '{"spec": {"minReplicas": 3}}'


def perform(interrupts: Interrupts, console: Console, *, timeline: Path, keep: bool) -> bool:
    """Whether the story went as the guide tells it. With `keep`, not before Ctrl-C."""
    publish = _clocked(console)
    with ExitStack() as cleaning:
        publish("a control plane on loopback: etcd, apiserver, controllers, scheduler, KWOK")
        plane = cleaning.enter_context(ControlPlane(PlaneOptions(flags=QUICK_HPA)))
        load = Load(plane.api)
        cleaning.enter_context(CustomMetrics(plane, {METRIC: load}))
        programs = cleaning.enter_context(Programs(plane))
        cleaning.callback(interrupts.disarm)  # the last to come is the first to go
        set_up(plane, programs, publish)
        say(console, "The story; its clock starts now.\n")
        scene, late = _seen(plane, programs, load, console)
        verdict = Verdict((*late, *judge(scene, REPLICAS).faults))
        for line in ("", *summarise(scene, verdict)):
            say(console, line)
        timeline.write_text(drawn(scene))
        say(console, f"\nThe timeline as a picture: {timeline}")
        plane.keep = not verdict.good  # the logs tell why
        if keep:
            _left_up(plane, console)
    return verdict.good


def _seen(
    plane: ControlPlane, programs: Programs, load: Load, console: Console
) -> tuple[Scene, tuple[str, ...]]:
    """The story, and what did not come in time."""
    with Observer(plane.api, POOLS) as observer, Display(console) as display:
        late = _played(plane, programs, load, observer, display)
        scene = observer.scene()
        display.show(scene, last=True)
    return scene, late


def _played(
    plane: ControlPlane, programs: Programs, load: Load, observer: Observer, display: Display
) -> tuple[str, ...]:
    """What did not come in time; the rest of the story is not played then."""

    def until(question: Callable[[], bool], *, what: str, seconds: float) -> None:
        def asked() -> bool:
            display.show(observer.scene())
            return question()

        programs.wait(asked, what=what, seconds=seconds)

    def offer(percent: float) -> None:
        load.offered = percent
        observer.note_load(percent)

    try:
        play(Stage(plane.api, observer.scene, observer.enter, offer, until))
    except TimeoutError as error:
        return (str(error),)
    return ()


def _left_up(plane: ControlPlane, console: Console) -> None:
    try:
        say(console, "\nAll of it stays up. In another terminal:")
        say(console, f"export KUBECONFIG={plane.kubeconfig}\nkubectl get pods -o wide")
        say(console, f"kubectl patch hpa {DEPLOYMENT} -p '{AGAIN}'  # and it goes there again")
        say(console, "\nCtrl-C here ends it, and removes what it wrote.")
        Event().wait()
    except KeyboardInterrupt:  # what was waited for, so the story's outcome stands
        return


def _clocked(console: Console) -> Callable[[str], None]:
    began = monotonic()
    return lambda text: say(console, f"{monotonic() - began:5.1f} s  {text}", style="dim")
