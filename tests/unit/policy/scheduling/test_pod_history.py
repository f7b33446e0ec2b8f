"""When a pod was first refused, put right by how it was known before: rules O5 and O9."""

from dataclasses import replace

import pytest

from policy.api.objects import Pod
from policy.scheduling.pod_history import refused_since_ungated
from tests.builders import NOW, a_pod

NEW = a_pod("p", created=NOW)
AT_BIRTH, LATER = (replace(NEW, unscheduled_since=NOW + seconds) for seconds in (1.0, 2.0))


@pytest.mark.parametrize(
    ("told", "before", "since"),
    [
        pytest.param(NEW, NEW, None, id="O5: it is not refused yet"),
        pytest.param(AT_BIRTH, None, NOW + 1, id="O9: nobody saw its gate"),
        pytest.param(AT_BIRTH, NEW, NOW + 3600, id="O5: the time is that of its gate"),
        pytest.param(LATER, NEW, NOW + 2, id="O9: no gate is added so late"),
        pytest.param(LATER, AT_BIRTH, NOW + 2, id="O9: a later time stands"),
        pytest.param(AT_BIRTH, LATER, NOW + 2, id="O5: what was put right stays so"),
    ],
)
def test_since_when_a_pod_is_refused(told: Pod, before: Pod | None, since: float | None) -> None:
    assert refused_since_ungated(told, before, NOW + 3600).unscheduled_since == since
