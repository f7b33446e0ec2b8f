"""The configuration for kube-scheduler: as the extender needs it, every value explained."""

import re

from tests.unit.manifests.shipped import ROOT, SCHEDULER


def test_the_scheduler_asks_as_the_extender_needs_it() -> None:
    """E1, E2, E4, E5, E7, E10; what strict decoding thinks of it shows when the plane starts."""
    (extender,) = SCHEDULER["extenders"]
    assert extender == {
        "urlPrefix": "http://127.0.0.1:8888",
        "filterVerb": "filter",
        "preemptVerb": "preempt",
        "nodeCacheCapable": True,
        "ignorable": False,
        "httpTimeout": "2s",
        "managedResources": [{"name": "nvidia.com/gpu"}],
    }
    assert SCHEDULER["percentageOfNodesToScore"] == 100
    (profile,) = SCHEDULER["profiles"]
    assert profile["pluginConfig"] == [
        {"name": "DefaultPreemption", "args": {"minCandidateNodesPercentage": 100}}
    ]


def test_every_value_for_the_scheduler_has_a_comment_that_says_why() -> None:
    lines = (ROOT / "config" / "kube-scheduler.yaml").read_text().splitlines()
    settings = [
        number
        for number, line in enumerate(lines)
        if re.match(r"(percentage\w+|extenders|leaderElection|clientConnection|  \w+):", line)
        and not line.startswith(("  kubeconfig", "  leaderElect", "  pluginConfig"))
    ]
    bare = [lines[n] for n in settings if "#" not in lines[n - 1] and "#" not in lines[n + 1]]
    assert len(settings) >= 10
    assert bare == []


def test_scores_are_one_commented_line_away() -> None:
    text = (ROOT / "config" / "kube-scheduler.yaml").read_text()
    assert "  # prioritizeVerb: prioritize\n  # weight: 1000\n" in text
