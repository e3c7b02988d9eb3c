"""What an axis accepts, and the sentence for everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.plan import axes
from bench.plan.axes import AXES, NumericAxis
from models.errors import UserError

NUMBERS = [name for name, axis in AXES.items() if isinstance(axis, NumericAxis)]
NAMES = [name for name in AXES if name not in NUMBERS]


@pytest.mark.parametrize(
    ("axis", "given", "read"),
    [
        ("batch", ["1"], (1,)),
        ("batch", ["1,8", "64"], (1, 8, 64)),
        ("batch", ["8", "8,8"], (8,)),
        ("batch", [" 4 , 2 "], (4, 2)),
        ("batch", [16], (16,)),
        ("batch", ["+5"], (5,)),
        ("seed", ["0"], (0,)),
        ("seed", [str(2**32 - 1)], (2**32 - 1,)),
        ("model", ["lenet5,vgg16", "lenet5"], ("lenet5", "vgg16")),
        ("device", ["auto"], ("auto",)),
        ("precision", ["amp-bf16,fp32"], ("amp-bf16", "fp32")),
    ],
)
def test_values_are_read_in_their_order_each_once(
    axis: str, given: list[object], read: tuple[object, ...]
) -> None:
    assert axes.read(axis, given) == read


BAD_NUMBERS = [
    "-1",
    "--5",
    "+-3",
    "1e3",
    "1.0",
    "1.5",
    "",
    " ",
    "nan",
    "inf",
    "٣",
    "1_0",
    "0x10",
    "1%",
    "ten",
    "8;9",
    "1,,2",
    "1,",
    str(10**30),
    "9" * 5000,
    10**30,
    10**5000,
    -1,
    1.0,
    2.5,
    True,
    None,
    [1],
]


@pytest.mark.parametrize("axis", NUMBERS)
@pytest.mark.parametrize(
    "value", BAD_NUMBERS, ids=lambda value: ascii(value)[:20] if value != 10**5000 else ""
)
def test_what_is_no_number_of_the_axis_is_told_in_one_short_sentence(axis: str, value: object) -> None:
    kind = AXES[axis]
    assert isinstance(kind, NumericAxis)
    with pytest.raises(UserError) as caught:
        axes.read(axis, [value])
    sentence = str(caught.value)
    assert sentence.startswith(f"{axis} must be a whole number from {kind.low} to {kind.high}, got ")
    assert len(sentence) < 200


@pytest.mark.parametrize("axis", NUMBERS)
def test_the_bounds_themselves_are_accepted_and_no_more(axis: str) -> None:
    kind = AXES[axis]
    assert isinstance(kind, NumericAxis)
    assert axes.read(axis, [str(kind.low), kind.high]) == (kind.low, kind.high)
    for value in (kind.low - 1, kind.high + 1):
        with pytest.raises(UserError):
            axes.read(axis, [str(value)])


@pytest.mark.parametrize(
    ("axis", "given", "nearest"),
    [
        ("workload", "inferense", "inference"),
        ("device", "tpu", None),
        ("device", "CUDA", "cuda"),
        ("precision", "amp-fp61", "amp-fp16"),
        ("engine", "compiled", "compile"),
        ("layout", "channel-last", "channels-last"),
        ("model", "LeNet5", "lenet5"),
        ("model", "vgg-16", "vgg16"),
    ],
)
def test_an_unknown_name_gets_the_nearest_and_all_that_are_accepted(
    axis: str, given: str, nearest: str | None
) -> None:
    with pytest.raises(UserError, match=f"unknown {axis} '{given}'") as caught:
        axes.read(axis, [given])
    if nearest is not None:
        assert f"Did you mean {nearest!r}?" in str(caught.value)
    kind = AXES[axis]
    assert isinstance(kind, axes.NamedAxis)
    assert all(name in str(caught.value) for name in list(kind.accepted())[:8])


@pytest.mark.parametrize(
    ("axis", "given", "meant"),
    [
        ("layout", "nhwc", "channels-last"),
        ("layout", "NHWC", "channels-last"),
        ("device", "gpu", "cuda"),
        ("precision", "bfloat16", "bf16"),
        ("precision", "float32", "fp32"),
    ],
)
def test_other_names_that_users_know_are_accepted(axis: str, given: str, meant: str) -> None:
    assert axes.read(axis, [given]) == (meant,)


@pytest.mark.parametrize(
    ("given", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), (0.5, 0.5), ("1e3", 1000)]
)
def test_times_have_units(given: object, seconds: float) -> None:
    assert axes.seconds("--budget", given, 1e4) == seconds


@pytest.mark.parametrize("given", ["", "s", "5 m", "-5m", "5d", "nan", "3h", True, "0s", "5m3s"])
def test_what_is_no_time_is_told(given: object) -> None:
    with pytest.raises(
        UserError, match=r"^--budget must be a number of seconds above 0 and up to 10000, or a ti"
    ):
        axes.seconds("--budget", given, 1e4)


@pytest.mark.parametrize("axis", NAMES)
@pytest.mark.parametrize("value", ["", ",", "lenet5,", 3, 2.5, None, True, {}, ["fp32"]])
def test_what_is_no_name_is_told(axis: str, value: object) -> None:
    with pytest.raises(UserError):
        axes.read(axis, [value])


@pytest.mark.parametrize("axis", AXES)
def test_an_axis_needs_a_value(axis: str) -> None:
    with pytest.raises(UserError, match=f"^{axis} needs at least one value"):
        axes.read(axis, [])


@pytest.mark.parametrize(
    ("value", "number"),
    [("1%", 0.01), ("0.5%", 0.005), ("0.02", 0.02), ("1", 1.0), ("100%", 1.0), ("5e-3", 0.005), (".1", 0.1)],
)
def test_a_positive_number_may_be_a_percentage(value: str, number: float) -> None:
    assert axes.positive_number("--target-ci", value, 1.0) == pytest.approx(number)


@pytest.mark.parametrize(
    "value",
    [
        "1e400",
        "1e-400",
        "9" * 5000,
        *["0", "0%", "-1", "-1%", "1.01", "101%", "nan", "inf", "-inf", "%", "1%%", "٣%", "1_0e-2", "x"],
        "",
        "1 %",
    ],
)
def test_what_is_no_positive_number_up_to_the_limit_is_told(value: str) -> None:
    with pytest.raises(UserError, match="--target-ci must be a number above 0 and up to 1, got ") as caught:
        axes.positive_number("--target-ci", value, 1.0)
    assert len(str(caught.value)) < 200


def test_a_model_in_a_file_is_looked_for_but_not_run(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text("raise SystemExit('run')\ndef make(): ...\n")
    assert axes.read("model", [f"{path}:make"]) == (f"{path}:make",)
    with pytest.raises(UserError, match=r"does not define 'mak'.*Did you mean 'make'"):
        axes.read("model", [f"{path}:mak"])
    with pytest.raises(UserError, match=r"cannot read .*missing\.py"):
        axes.read("model", [f"{tmp_path / 'missing.py'}:make"])
