"""Events as the API server gets them: one for each cause, whoever tells it, and fresh while it stands.

The API server is the fake.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.kube.client import connect
from tests.fake_apiserver import FakeApiServer, Manifest
from watcher.status.event_recorder import EventRecorder
from watcher.status.event_rules import About, EventSpec, EventType

EVENTS = "/apis/events.k8s.io/v1/events"
ABOUT = About("v1", "Pod", "default", "web-1", "uid")
ASKED = EventSpec(ABOUT, EventType.NORMAL, "WaitingForNodes", "nodes were asked for", "asked")
REFUSED = replace(ASKED, severity=EventType.WARNING, note="none come", dedupe_key="refused")


class Stage:
    """One watcher, and the API server that it writes to."""

    def __init__(self, api: FakeApiServer, directory: Path) -> None:
        self.api = api
        self.now = 1_000_000_000.0
        self.connection = connect(api.kubeconfig(directory))
        self.events = self.another()

    def another(self) -> EventRecorder:
        return EventRecorder(self.connection, lambda: self.now, "watcher-1")

    def tell(self, *notices: EventSpec, after: float = 0.0) -> None:
        self.now += after
        self.events.publish(notices)

    def stored(self) -> list[Manifest]:
        return [manifest for key, manifest in self.api.objects.items() if key[0] == EVENTS]

    def writes(self) -> int:
        return sum(request.verb in ("POST", "PATCH") for request in self.api.requests)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with FakeApiServer() as server:
        stage = Stage(server, tmp_path)
        yield stage
        stage.connection.close()


def test_an_event_says_about_what_and_why(stage: Stage) -> None:
    stage.tell(ASKED)
    (event,) = stage.stored()
    assert event["regarding"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "default",
        "name": "web-1",
        "uid": "uid",
    }
    assert (event["type"], event["reason"], event["note"]) == (
        "Normal",
        "WaitingForNodes",
        "nodes were asked for",
    )
    assert event["eventTime"] == "2001-09-09T01:46:40.000000Z"


def test_a_cause_that_stands_is_told_once(stage: Stage) -> None:
    for _ in range(100):
        stage.tell(ASKED, replace(ASKED, note="the same in other words"), after=1.0)
    assert (len(stage.stored()), stage.writes()) == (1, 1)


def test_two_causes_are_two_events(stage: Stage) -> None:
    stage.tell(ASKED, REFUSED)
    assert len(stage.stored()) == 2


def test_a_cause_that_comes_back_is_counted_and_not_more_than_once_a_minute(stage: Stage) -> None:
    stage.tell(ASKED)
    for _ in range(10):
        stage.tell(after=1.0)
        stage.tell(ASKED, after=1.0)
    assert stage.writes() == 1
    stage.tell(after=1.0)
    stage.tell(ASKED, after=60.0)
    assert [event["series"]["count"] for event in stage.stored()] == [2]


def test_a_cause_that_stands_for_long_is_kept_from_being_forgotten(stage: Stage) -> None:
    for _ in range(7):
        stage.tell(ASKED, after=600.0)
    assert stage.writes() == 2


def test_an_event_that_the_api_server_forgot_is_written_again(stage: Stage) -> None:
    stage.tell(ASKED)
    stage.api.objects.clear()
    stage.tell(ASKED, after=2000.0)
    stage.tell(ASKED, after=1.0)
    assert len(stage.stored()) == 1


def test_the_next_watcher_does_not_tell_it_again(stage: Stage) -> None:
    stage.tell(ASKED)
    stage.events = stage.another()
    stage.tell(ASKED, after=5.0)
    assert [event.get("series") for event in stage.stored()] == [None]


def test_a_flood_is_told_a_few_at_a_time(stage: Stage) -> None:
    flood = [replace(ASKED, dedupe_key=str(index)) for index in range(50)]
    counts = []
    for _ in range(3):
        stage.tell(*flood)
        counts.append(stage.writes())
    assert counts == [20, 40, 50]


def test_a_long_note_is_cut_to_what_the_api_takes(stage: Stage) -> None:
    stage.tell(replace(ASKED, note="\N{EURO SIGN}" * 1000))
    (event,) = stage.stored()
    assert len(event["note"].encode()) <= 1024
