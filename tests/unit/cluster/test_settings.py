"""A settings file: what may stand in it, and every fault of it at once."""

from pathlib import Path

import pytest

from cluster.settings import RENAMED, InvalidSettings, Settings, load_settings
from policy.api.options import OnConflict, OutsideUnits
from policy.api.resourcepolicy import ResourceKind

VIRTUAL = {"type": "virtual-kubelet"}


def written(directory: Path, content: str | bytes) -> Path:
    file = directory / "extender.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


@pytest.mark.parametrize("content", ["", "# nothing but a comment\n", "---\n", "{}", "null"])
def test_an_empty_file_means_every_default(tmp_path: Path, content: str) -> None:
    assert load_settings(written(tmp_path, content)) == Settings() == load_settings(None)


def test_what_is_written_counts_and_the_rest_is_default(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, "on_conflict: reject\nwatcher: {sync_period_seconds: 1}\n"))
    assert settings.on_conflict is OnConflict.REJECT
    assert settings.outside_units is OutsideUnits.NEVER
    assert settings.watcher.sync_period_seconds == 1
    assert settings.watcher.namespace == "resourcepolicy"


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    faulty = (
        "on_conflict: newest\nreservation_ttl_seconds: -1\nbody_limit_bytes: much\n"
        "watcher: {sync_period_seconds: 0, speed: 9}\nnews: 1\n"
    )
    with pytest.raises(InvalidSettings) as invalid:
        load_settings(written(tmp_path, faulty))
    message = str(invalid.value)
    assert message.startswith(str(tmp_path / "extender.yaml"))
    places = (
        "on_conflict",
        "reservation_ttl_seconds",
        "body_limit_bytes",
        "watcher.sync_period_seconds",
        "watcher.speed",
        "news",
    )
    assert [place for place in places if f"{place}: " not in message] == []
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param("a: [", "expected the node content", id="no YAML"),
        pytest.param("a: b: c", "mapping values are not allowed", id="no YAML either"),
        pytest.param(b"\xff\xfe\xfd", "", id="no text"),
        pytest.param("!!python/object/apply:os.system [true]", "could not determine", id="a program"),
        pytest.param("- reservation_ttl_seconds: 1", "file: ", id="a list"),
        pytest.param("reservation_ttl_seconds", "file: ", id="a word"),
        pytest.param("reservation_ttl_seconds: .nan", "reservation_ttl_seconds: ", id="not a number"),
        pytest.param("reservation_ttl_seconds: .inf", "reservation_ttl_seconds: ", id="for ever"),
        pytest.param(
            "unknown_node_wait_seconds: 3600",
            "unknown_node_wait_seconds: ",
            id="longer than any scheduler waits",
        ),
        pytest.param("unknown_node_wait_seconds: -0.1", "unknown_node_wait_seconds: ", id="a negative wait"),
        pytest.param("body_limit_bytes: 0", "body_limit_bytes: ", id="no room for a body"),
        pytest.param(
            "virtual_node_labels: {eci: {}}", "virtual_node_labels.eci", id="a kind that every node is of"
        ),
        pytest.param(
            "virtual_node_labels: {gpu: {a: b}}", "virtual_node_labels.gpu", id="a kind that is none"
        ),
        pytest.param(
            "virtual_node_labels: {ecs: {a: b}}", "those of no other kind", id="U2: an ordinary kind"
        ),
        pytest.param(
            "virtual_node_labels: {eci: {a: 1}}", "virtual_node_labels.eci.a", id="a label that is no text"
        ),
        pytest.param("outside_units: first", "outside_units: ", id="a word that is none of the choices"),
        pytest.param("watcher: 5", "watcher: ", id="a number for a mapping"),
    ],
)
def test_a_faulty_file_is_refused_in_one_line(tmp_path: Path, content: str | bytes, reason: str) -> None:
    with pytest.raises(InvalidSettings) as invalid:
        load_settings(written(tmp_path, content))
    assert reason in str(invalid.value)
    assert "extender.yaml" in str(invalid.value)
    assert "\n" not in str(invalid.value)


@pytest.mark.parametrize("path", ["absent.yaml", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidSettings):
        load_settings(tmp_path / path)


def test_one_kind_told_anew_leaves_the_other_virtual(tmp_path: Path) -> None:
    """U2: `acs` must not come to mean ordinary nodes because `eci` has a label of its own."""
    kinds = load_settings(written(tmp_path, "virtual_node_labels: {eci: {type: eci}}")).kinds
    assert kinds.recognises(ResourceKind.ECI, {"type": "eci"})
    assert kinds.recognises(ResourceKind.ACS, VIRTUAL)
    assert not kinds.recognises(ResourceKind.ACS, {})
    assert not kinds.recognises(ResourceKind.ECS, {"type": "eci"})
    assert kinds.recognises(ResourceKind.ECS, {})


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_refused_with_the_new_one(tmp_path: Path, old: str, new: str) -> None:
    section, _, name = old.rpartition(".")
    content = f"{section}: {{{name}: 1}}" if section else f"{name}: 1"
    with pytest.raises(InvalidSettings, match=f"{old}: is called {new} now"):
        load_settings(written(tmp_path, content))
