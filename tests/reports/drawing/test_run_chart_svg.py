"""A chart of runs as SVG: each run at its date and time, and marks that do not cover each other."""

from __future__ import annotations

import itertools
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from msgspec import structs

from reports.drawing.chart_pen import OF_THE_PAGE
from reports.drawing.run_chart_svg import HEIGHT, WIDTH, draw, frame_of
from reports.run_charts import RunChart, RunLevel, RunMark

DAY = 86_400.0
SECONDS = tuple(1.8e9 + DAY * at for at in range(6))


def chart(**of: object) -> RunChart:
    values = (100.0, 101.0, 99.0, 110.0, 111.0, 109.0)
    found = RunChart(
        title="VGG-16 <training>",
        note="110 ms now",
        unit="ms",
        runs=tuple(range(6)),
        values=values,
        low=tuple(value - 1 for value in values),
        high=tuple(value + 1 for value in values),
        processes=(5,) * 6,
        levels=(RunLevel(0, 2, 100.0, 99.5, 100.5), RunLevel(3, 5, 110.0, 109.5, 110.5)),
    )
    return structs.replace(found, **of)


def drawn(of: RunChart, seconds: tuple[float, ...] = SECONDS) -> Element:
    return ElementTree.fromstring(draw(of, seconds, OF_THE_PAGE))


def dots(svg: Element) -> list[tuple[float, float]]:
    (path,) = (each for each in svg.iter("path") if "round" in each.get("style", ""))
    strokes = path.attrib["d"].replace("h0", "").split("M")[1:]
    return [(float(x), float(y)) for x, y in (stroke.split() for stroke in strokes)]


def texts(svg: Element) -> list[str]:
    return [each.text or "" for each in svg.iter("text")]


def test_each_run_stands_at_its_day_and_its_time() -> None:
    found = dots(drawn(chart()))
    across = [x for x, _ in found]
    pitch = [after - before for before, after in itertools.pairwise(across)]
    assert pitch == pytest.approx([pitch[0]] * 5, abs=0.11)
    (_, first), (_, _), (_, third), (_, fourth), *_ = found
    a_ms = (first - fourth) / 10
    assert (third - first) == pytest.approx(a_ms, abs=0.15), "99 ms is 1 ms below 100 ms"


def test_missing_nights_leave_a_gap() -> None:
    at = (*SECONDS[:3], *(each + 10 * DAY for each in SECONDS[3:]))
    across = [x for x, _ in dots(drawn(chart(), at))]
    assert across[3] - across[2] == pytest.approx(11 * (across[1] - across[0]), rel=0.02)


def test_an_outlier_is_a_ring_and_does_not_set_the_scale() -> None:
    values = (100.0, 101.0, 104.0, 110.0, 111.0, 109.0)
    svg = drawn(chart(values=values, outliers=(2,)))
    assert len(dots(svg)) == 5
    assert [each for each in svg.iter("path") if "a2.5" in each.attrib["d"]]
    far = chart(values=(*values[:2], 400.0, *values[3:]), outliers=(2,))
    assert frame_of(far, SECONDS).high < 120
    assert len(dots(drawn(far))) == 5
    assert [each for each in drawn(far).iter("path") if "l3 5h-6z" in each.attrib["d"]]


def test_a_week_at_another_clock_does_not_hide_a_step() -> None:
    """Of 335 nights 4 take 40% longer, and 100 take 3% longer."""
    values = (*(100.0,) * 231, *(103.0,) * 100, *(140.0,) * 4)
    frame = frame_of(
        chart(values=values, runs=tuple(range(335)), low=(), high=(), processes=(), levels=()),
        tuple(DAY * at for at in range(335)),
    )
    assert (103 - 100) / (frame.high - frame.low) > 0.5


def test_noise_does_not_fill_the_height() -> None:
    values = (100.0, 100.1, 99.9, 100.0, 100.1, 99.9)
    quiet = chart(values=values, low=(None,) * 6, high=(None,) * 6, levels=())
    heights = [y for _, y in dots(drawn(quiet))]
    assert max(heights) - min(heights) < 0.1 * HEIGHT


@pytest.mark.parametrize("count", [1, 2, 12])
def test_labels_do_not_cover_each_other_and_stay_inside(count: int) -> None:
    marks = tuple(
        RunMark(at % 6, "boundary", f"driver 580.{at}", "a new driver") for at in sorted(range(count))
    )
    svg = drawn(chart(marks=tuple(sorted(marks, key=lambda mark: mark.at))))
    placed = [
        (float(each.attrib["y"]), float(each.attrib["x"]), 6.2 * len(each.text or "") / 2)
        for each in svg.iter("text")
        if (each.text or "").startswith("driver")
    ]
    assert placed
    assert all(x - half >= 0 and x + half <= WIDTH for _, x, half in placed)
    for (y, x, half), (other_y, other_x, other_half) in itertools.combinations(placed, 2):
        assert y != other_y or abs(x - other_x) >= half + other_half


def test_a_boundary_is_dashed_and_a_step_is_not() -> None:
    svg = drawn(
        chart(
            marks=(
                RunMark(1, "boundary", "driver 580", "driver 575 → 580"),
                RunMark(3, "slower", "▲ +10%", "▲ +10% on 14 March"),
            )
        )
    )
    dashed = [each for each in svg.iter("path") if each.get("stroke-dasharray")]
    assert len(dashed) == 1
    assert {"driver 580", "▲ +10%"} <= set(texts(svg))
    assert "▲ +10% on 14 March" in svg.attrib["aria-label"]


def test_a_single_run_is_drawn_in_the_middle() -> None:
    one = chart(
        runs=(0,), values=(1.0,), low=(None,), high=(None,), processes=(1,), levels=(RunLevel(0, 0, 1, 1, 1),)
    )
    ((x, _),) = dots(drawn(one))
    assert WIDTH / 4 < x < 3 * WIDTH / 4
