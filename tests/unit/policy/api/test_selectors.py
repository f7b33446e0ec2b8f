"""Label selection on plain mappings, as apimachinery decides it (M2, M3, U3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.api.selectors import Operator, Requirement, carries

LABELS = {"app": "web", "empty": ""}


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        pytest.param({}, True, id="no pairs, no demand"),
        pytest.param({"app": "web"}, True, id="an equal pair"),
        pytest.param({"app": "db"}, False, id="another value"),
        pytest.param({"tier": "front"}, False, id="an absent key"),
        pytest.param({"tier": ""}, False, id="an absent key has no empty value"),
        pytest.param({"empty": ""}, True, id="an empty value"),
        pytest.param({"app": "web", "tier": "front"}, False, id="one pair of two"),
    ],
)
def test_labels_carry_pairs(pairs: dict[str, str], *, expected: bool) -> None:
    assert carries(LABELS, pairs) is expected


@pytest.mark.parametrize(
    ("key", "operator", "values", "expected"),
    [
        pytest.param("app", Operator.IN, {"web", "db"}, True, id="In, listed"),
        pytest.param("app", Operator.IN, {"db"}, False, id="In, not listed"),
        pytest.param("tier", Operator.IN, {"web"}, False, id="In, absent"),
        pytest.param("app", Operator.NOT_IN, {"web"}, False, id="NotIn, listed"),
        pytest.param("app", Operator.NOT_IN, {"db"}, True, id="NotIn, not listed"),
        pytest.param("tier", Operator.NOT_IN, {"web"}, True, id="NotIn, absent"),
        pytest.param("empty", Operator.EXISTS, set(), True, id="Exists, though empty"),
        pytest.param("tier", Operator.EXISTS, set(), False, id="Exists, absent"),
        pytest.param("empty", Operator.DOES_NOT_EXIST, set(), False, id="DoesNotExist, though empty"),
        pytest.param("tier", Operator.DOES_NOT_EXIST, set(), True, id="DoesNotExist, absent"),
    ],
)
def test_labels_satisfy_a_requirement(
    key: str, operator: Operator, values: set[str], *, expected: bool
) -> None:
    assert Requirement(key, operator, frozenset(values)).matches(LABELS) is expected


words = st.sampled_from(["a", "b", ""])
some_labels = st.dictionaries(words, words)


@given(some_labels, words, st.frozensets(words, min_size=1))
def test_each_operator_is_the_opposite_of_another(
    labels: dict[str, str], key: str, values: frozenset[str]
) -> None:
    pairs = [
        (Operator.IN, Operator.NOT_IN, values),
        (Operator.EXISTS, Operator.DOES_NOT_EXIST, frozenset[str]()),
    ]
    for operator, opposite, listed in pairs:
        assert Requirement(key, operator, listed).matches(labels) is not Requirement(
            key, opposite, listed
        ).matches(labels)
