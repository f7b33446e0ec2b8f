"""Whether there is anybody to ask: looked at now and then, and told when it changes. Rules: A8, W5."""

import pytest

from watcher.provisioner.shared_backend import AvailabilityCheck


def test_it_is_looked_at_now_and_then_and_told_when_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    """W5: said once, not every 30 s."""
    now, missing, looks = 0.0, "nothing is served", 0

    def look() -> str:
        nonlocal looks
        looks += 1
        return missing

    availability = AvailabilityCheck(look, lambda: now, "letter")
    assert [availability.now() for _ in range(3)] == [False] * 3
    assert looks == 1
    now += 31
    assert not availability.now()
    assert [record.message.partition(":")[0] for record in caplog.records] == ["nothing is served"]
    missing, now = "", now + 31
    with caplog.at_level("INFO"):
        assert availability.now()
    assert caplog.messages[-1] == "holding pods and asking for nodes by letter"
