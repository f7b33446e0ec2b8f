"""Every rule is shown by a row whose id cites it, and elsewhere where `policy/` alone cannot.

A row is a `pytest.param` in a module beside this one, its id like "O2: equal to max".
"""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TESTS = HERE.parents[1]

RULES = {
    "M1": "A policy governs pods of its own namespace only.",
    "M2": "Every pair of the selector equals a label of the pod; no pairs, every pod.",
    "M3": "Match expressions are ANDed to the selector.",
    "M4": "Of several policies that match, the oldest governs, ties by name.",
    "M5": "A pod that no policy matches passes untouched.",
    "M6": "An invalid policy governs nothing new, and says every fault at once.",
    "M7": "The undocumented fields are kept and have no effect.",
    "M8": "A pod that the scheduler never sends cannot be governed, and the policy says so.",
    "U1": "The order of units is their priority.",
    "U2": "ecs and elastic are ordinary nodes, eci and acs virtual ones; a setting tells them apart.",
    "U3": "A node is in a unit by its kind and its labels.",
    "U4": "elastic, or the wait label on ecs, waits for nodes.",
    "U5": "A pod counts in one unit, the one that it was placed through.",
    "U6": "Nodes in no unit are used last or never.",
    "U7": "Nodes that the autoscaler is about to remove are last within their unit.",
    "O1": "No later unit is used while an earlier one is open and has room.",
    "O2": "A unit is exhausted at max, or where the requests would exceed maxResources.",
    "O3": "LackResourceOrExceedMax goes on when exhausted or without room.",
    "O4": "ExceedMax waits for room, without limit, while a cap is not reached.",
    "O5": "TimeoutOrExceedMax waits for room up to its timeout.",
    "O6": "LackResourceAndNoTerminating waits for terminating pods of the policy.",
    "O7": "Timeout goes on when the pod has waited for the timeout, caps or not.",
    "O8": "Every attempt starts at the first unit.",
    "O9": "A restart does not restart waits.",
    "O10": "A refused pod is told which unit, and why, in one of a fixed set of reasons.",
    "C1": "Counted are governed pods of the unit and group, those on their way included.",
    "C2": "Caps apply per group of label values; a pod that lacks a key is refused.",
    "C3": "Terminating pods do not count, unless told to.",
    "C4": "Pods scheduled before the policy count, unless told not to.",
    "C5": "Succeeded and Failed pods never count.",
    "C6": "With podLabels or podAnnotations only pods that carry them count, late ones included.",
    "C7": "Never above a cap: not in a burst, not across a restart.",
    "C8": "Nobody is evicted to bring an over-full unit down.",
    "C9": "Defaults are stored in the object.",
    "P1": "Preemption is tried after all units, or before each next one.",
    "P2": "Preemption happens in one unit, on nodes that filter then accepts.",
    "P3": "Victims of the same policy free their slots.",
    "L1": "Labels and annotations of the unit are written, never one that is selected by.",
    "L2": "The deletion cost falls with the unit; another's value stays.",
    "L3": "The unit is recorded where the node does not tell it.",
    "L4": "An edit moves no pod and re-orders scale-in at once.",
    "L5": "The status tells what each unit holds, and its state.",
    "L6": "A pod that opted out is not governed.",
    "L7": "Pods of virtual nodes get the toleration.",
}
SHOWN_ELSEWHERE = {
    "M6": "e2e/test_crd.py",
    "M8": "e2e/test_story.py",
    "O9": "e2e/test_outages.py",
    "C7": "e2e/test_outages.py",
    "C9": "e2e/test_crd.py",
    "L4": "e2e/test_pod_metadata.py",
    "L7": "e2e/test_crd.py",
}
"""Rules that need a server, a restart or a scheduler, beside their rows here."""


def found_row_ids() -> Iterator[str]:
    for path in sorted(HERE.rglob("test_*.py")):
        if path.name == Path(__file__).name:
            continue
        module = importlib.import_module(".".join(path.relative_to(TESTS.parent).with_suffix("").parts))
        for test in vars(module).values():
            for mark in getattr(test, "pytestmark", ()):
                if mark.name == "parametrize":
                    yield from (row.id or "" for row in mark.args[1] if hasattr(row, "id"))


ROW_IDS = list(found_row_ids())


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_a_row(rule: str) -> None:
    assert any(id_.startswith(f"{rule}: ") for id_ in ROW_IDS), f"no row shows {rule}: {RULES[rule]}"


def test_a_row_cites_a_rule_that_exists() -> None:
    cited = {match[1] for id_ in ROW_IDS if (match := re.match(r"([MUOCPL]\d+): ", id_))}
    assert cited <= RULES.keys()


def test_the_rows_of_a_rule_differ() -> None:
    """Two rows with one sentence: one of them says too little."""
    numbered = [id_ for id_ in ROW_IDS if re.match(r"[A-Z]\d+: ", id_)]
    assert sorted(numbered) == sorted(set(numbered))


@pytest.mark.parametrize("rule", SHOWN_ELSEWHERE)
def test_what_policy_cannot_show_alone_is_shown_elsewhere(rule: str) -> None:
    shown = (TESTS / SHOWN_ELSEWHERE[rule]).read_text()
    assert re.search(rf"\b{rule}\b", shown)


def test_the_list_is_that_of_the_published_rules() -> None:
    published = re.findall(
        r"^- \*\*([MUOCPL]\d+)\*\*", (TESTS.parent / "docs/rules.md").read_text(), re.MULTILINE
    )
    assert list(RULES) == published
