"""Leaving: what is taken back from pods, and that what fails does not stop the rest.

That nothing is left behind on a real API server is tests/e2e/test_scaleup_refused.py. Rules: A10.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cli.release import leave
from cluster.kube.client import ApiError, Unreachable, connect
from policy.api import wellknown
from tests.fake_apiserver import FakeApiServer
from watcher.cleanup import RemovalStep, release
from watcher.scaleup.pod_holds import hold_of

PODS = "/api/v1/pods"


@pytest.mark.parametrize(
    ("annotations", "keys"),
    [
        pytest.param(
            {wellknown.POD_SCALE_UP_DELAY: "90s", wellknown.HELD: "90s"},
            {wellknown.POD_SCALE_UP_DELAY, wellknown.HELD},
            id="ours",
        ),
        pytest.param(
            {wellknown.POD_SCALE_UP_DELAY: "5m", wellknown.HELD: "90s"},
            {wellknown.HELD},
            id="the user changed it since",
        ),
        pytest.param({wellknown.POD_SCALE_UP_DELAY: "90s"}, set(), id="the user's own"),
        pytest.param({}, set(), id="none"),
    ],
)
def test_a_hold_is_ours_if_our_mark_is_beside_it(annotations: Mapping[str, str], keys: set[str]) -> None:
    """A10."""
    assert hold_of(annotations) == keys


def refused(status: int) -> ApiError:
    return ApiError(status, "reason", "message", None)


def raising(error: Exception) -> Callable[[], object]:
    def do() -> object:
        raise error

    return do


def test_what_cannot_be_removed_is_named_and_the_rest_goes() -> None:
    """A10: what is gone already counts as removed."""
    done = release(
        [
            RemovalStep("hold", "a/forbidden", raising(refused(403))),
            RemovalStep("hold", "a/gone", raising(refused(404))),
            RemovalStep("hold", "a/another", raising(refused(409))),
            RemovalStep("hold", "a/cut-off", raising(Unreachable("timed out"))),
            RemovalStep("hold", "a/good", lambda: None),
        ]
    )
    assert done.gone == {"hold": 3}
    assert done.left == ["hold a/forbidden: 403 reason: message", "hold a/cut-off: timed out"]


def test_the_users_annotations_stay(tmp_path: Path) -> None:
    """A10."""
    annotations = {wellknown.POD_SCALE_UP_DELAY: "90s", wellknown.HELD: "90s", "theirs": "x"}
    written = {
        "resourcepolicy.io/requeued-at": "1",
        wellknown.POD_DELETION_COST: "-100",
        wellknown.DELETION_COST_WRITTEN: "-100",
    }
    with FakeApiServer() as api:
        for name, values in (
            ("held", {**annotations, **written}),
            ("other", {wellknown.POD_DELETION_COST: "7", "theirs": "x"}),
        ):
            metadata = {"namespace": "default", "name": name, "uid": name, "annotations": values}
            api.put(PODS, "default", name, metadata=metadata)

        def on(name: str) -> object:
            return api.get(PODS, "default", name)["metadata"]["annotations"]

        said: list[str] = []
        connection = connect(api.kubeconfig(tmp_path))
        assert leave(connection, "ours", said.append, everything=False, dry=True) == 0
        assert on("held") == {**annotations, **written}
        assert leave(connection, "ours", said.append, everything=False, dry=False) == 0
        assert on("held") == {"theirs": "x", **written}
        assert leave(connection, "ours", said.append, everything=False, dry=False) == 0
        assert leave(connection, "ours", said.append, everything=True, dry=False) == 0
        assert on("held") == {"theirs": "x"}
        assert on("other") == {wellknown.POD_DELETION_COST: "7", "theirs": "x"}
    one = "1 x pod's annotations"
    assert said == [f"there is: {one}", f"removed: {one}", "removed: nothing of ours", f"removed: {one}"]
