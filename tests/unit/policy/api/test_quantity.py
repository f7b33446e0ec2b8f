"""Kubernetes quantities: what is accepted, as which exact amount, and how it is written again."""

from decimal import ROUND_UP, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.api.quantity import format_quantity, parse_quantity

ONE = 10**9
SCALES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}
NO_QUANTITIES = (
    *("", " ", ".", "-", "m", "Gi", "1 Gi", " 1", "1\n", "1K", "1ki", "1e", "1e+", "1Gi2", "1.2.3", "1,5"),
    *(
        "0x10",
        "1B",
        "1GB",
        "ten",
        "--1",
        "+-1",
        "1e1.5",
        "1e1000",
        "1mi",
        "1Em",
        "\u0661",
        "None",
        "nan",
        "inf",
    ),
)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("8", 8 * ONE, id="a count"),
        pytest.param("+8", 8 * ONE, id="a plus"),
        pytest.param("-8", -8 * ONE, id="a minus"),
        pytest.param("500m", ONE // 2, id="thousandths"),
        pytest.param("0.5", ONE // 2, id="a fraction"),
        pytest.param(".5", ONE // 2, id="a fraction without a whole"),
        pytest.param("5.", 5 * ONE, id="a whole with a point"),
        pytest.param("007", 7 * ONE, id="leading zeros"),
        pytest.param("1k", 1000 * ONE, id="decimal thousands are a small k"),
        pytest.param("1Ki", 1024 * ONE, id="binary thousands are a large K"),
        pytest.param("1.5Gi", 3 * 2**29 * ONE, id="a fraction of a binary multiple"),
        pytest.param("1E", 10**18 * ONE, id="E alone is exa"),
        pytest.param("1Ei", 2**60 * ONE, id="Ei is exbi"),
        pytest.param("1E3", 1000 * ONE, id="E before a digit is an exponent"),
        pytest.param("1e3", 1000 * ONE, id="a small e is an exponent"),
        pytest.param("1e-3", ONE // 1000, id="a negative exponent"),
        pytest.param("12.5e+1", 125 * ONE, id="a fraction and an exponent"),
        pytest.param("1n", 1, id="the finest step"),
        pytest.param("0.1n", 1, id="finer rounds up"),
        pytest.param("1.000000000001", ONE + 1, id="finer digits round up"),
        pytest.param("-0.1n", -1, id="and away from zero"),
    ],
)
def test_a_quantity_is_an_exact_amount(text: str, amount: int) -> None:
    assert parse_quantity(text) == amount


@pytest.mark.parametrize(
    "text",
    NO_QUANTITIES,
    ids=repr,
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity; write for example"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        pytest.param(0, "0", id="zero has no suffix"),
        pytest.param(8 * ONE, "8", id="a count"),
        pytest.param(64 * 2**30 * ONE, "64Gi", id="a whole binary multiple"),
        pytest.param(1000 * ONE, "1000", id="no decimal multiple"),
        pytest.param(ONE // 2, "500m", id="thousandths"),
        pytest.param(1500, "1500n", id="billionths"),
        pytest.param(2000, "2u", id="millionths"),
        pytest.param(-1024 * ONE, "-1Ki", id="negative"),
    ],
)
def test_an_amount_is_written_as_a_person_would(amount: int, text: str) -> None:
    assert format_quantity(amount) == text


@given(st.integers(-(10**30), 10**30) | st.integers(-(2**40), 2**40).map(lambda n: n * 2**20 * ONE))
def test_what_is_written_is_read_back(amount: int) -> None:
    assert parse_quantity(format_quantity(amount)) == amount


@given(
    st.sampled_from(["", "+", "-"]),
    st.from_regex(r"[0-9]{1,12}(\.[0-9]{0,12})?", fullmatch=True),
    st.sampled_from(sorted(SCALES)) | st.integers(-20, 20).map(lambda e: f"e{e}"),
)
def test_it_agrees_with_decimal_arithmetic(sign: str, digits: str, suffix: str) -> None:
    with localcontext(prec=100):
        scale = SCALES[suffix] if suffix in SCALES else Decimal(f"1{suffix}")
        exact = Decimal(sign + digits) * scale * ONE
        assert parse_quantity(sign + digits + suffix) == int(exact.to_integral_value(ROUND_UP))
