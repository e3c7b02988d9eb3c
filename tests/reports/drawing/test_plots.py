"""Plots as data, as pictures and as links."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from markdown_it import MarkdownIt
from msgspec import structs

from bench.schema.record import Record
from reports import formats
from reports.document import Document, Plot, Series, Table, TableKey
from reports.drawing import plots
from reports.drawing.bars import draw_bars
from reports.drawing.palette import COLORS
from reports.pages.run_report import build
from tests.planted import planted_records
from tests.planted.commands import ROOT
from tests.planted.planted_learning import VGG, learned, seeds

LINE = Series(
    label="vgg-small",
    x=(1.0, 2.0, 3.0),
    y=(50.0, 80.0, 90.0),
    low=(45.0, 78.0, 89.0),
    high=(55.0, 82.0, 91.0),
)
PLOT = Plot(name="accuracy", title="Accuracy", x_label="epoch", y_label="accuracy (%)", series=(LINE,))
PNG = b"\x89PNG\r\n\x1a\n"


def document(*found: Plot) -> Document:
    tables = (
        Table(title="First", key=TableKey("first"), columns=("a",), rows=((1,),)),
        Table(title="Last", columns=("a",), rows=((1,),)),
    )
    return Document(title="Report", tables=tables, plots=found)


def of(tmp_path: Path, *records: Record) -> dict[str, Plot]:
    return {plot.name: plot for plot in build([planted_records.write(tmp_path, records)]).plots}


def pixels(plot: Plot) -> np.ndarray[Any, Any]:
    from matplotlib.image import imread

    return np.asarray(imread(io.BytesIO(plots.draw(plot, "png"))))


def test_learning_curves_are_means_within_the_range_of_the_seeds(tmp_path: Path) -> None:
    records = [learned(VGG, [0.4, 0.8], number=1), learned(VGG, [0.6, 0.9], number=2)]
    found = of(tmp_path, *records)
    assert list(found) == ["accuracy-digits-vgg-small", "loss-digits-vgg-small"]
    test, train = found["accuracy-digits-vgg-small"].series
    assert test.x == (1.0, 2.0)
    assert [*test.y, *test.low, *test.high] == pytest.approx([50.0, 85.0, 40.0, 80.0, 60.0, 90.0])
    assert train.y == pytest.approx((48.0, 83.0))
    assert (train.low, train.dashed) == ((), True)
    loss, _ = found["loss-digits-vgg-small"].series
    assert loss.y == pytest.approx((1.0, 0.3))
    assert loss.low == pytest.approx((0.8, 0.2))


def test_one_seed_has_no_band(tmp_path: Path) -> None:
    assert of(tmp_path, learned(VGG, [0.4, 0.8]))["accuracy-digits-vgg-small"].series[0].low == ()


def test_runs_without_losses_have_no_picture_of_them(tmp_path: Path) -> None:
    without = [
        structs.replace(run, measurements=[m for m in run.measurements if "loss" not in m.metric])
        for run in seeds(VGG, (0.97, 0.98))
    ]
    assert list(of(tmp_path, *without)) == ["accuracy-digits-vgg-small"]


def test_speed_against_accuracy_has_a_named_point_for_each_case(tmp_path: Path) -> None:
    bf16, lenet = structs.replace(VGG, precision="amp-bf16"), structs.replace(VGG, model="lenet5", image=28)
    records = [
        *seeds(VGG, (0.96, 0.98), rate=100.0),
        *seeds(bf16, (0.97,), rate=180.0),
        *seeds(lenet, (0.93,), rate=4000.0),
    ]
    plot = of(tmp_path, *records)["speed-accuracy-digits"]
    lenets, vggs = plot.series
    assert (lenets.label, vggs.label, vggs.names) == ("lenet5", "vgg-small", ("fp32", "amp-bf16"))
    assert vggs.x == (100.0, 180.0)
    assert [*vggs.y, *vggs.low, *vggs.high] == pytest.approx([97.0, 97.0, 96.0, 97.0, 98.0, 97.0])
    assert (plot.log_x, plot.kind, plot.under) == (
        True,
        "points",
        TableKey("accuracy", ("digits", "cpu", "2", "A")),
    )


def test_a_point_alone_in_its_model_is_named_by_it(tmp_path: Path) -> None:
    lenet = structs.replace(VGG, model="lenet5", image=28)
    plot = of(tmp_path, *seeds(VGG, (0.97,)), *seeds(lenet, (0.93,)))["speed-accuracy-digits"]
    assert [(series.label, series.names) for series in plot.series] == [
        ("", ("lenet5",)),
        ("", ("vgg-small",)),
    ]


def test_pictures_stay_readable_and_their_names_differ(tmp_path: Path) -> None:
    """Nine cases of one network and two of another."""
    nine = [learned(structs.replace(VGG, batch=2**n), [0.5, 0.9]) for n in range(9)]
    two = [learned(structs.replace(VGG, model="vgg11", batch=b), [0.5, 0.9]) for b in (1, 2)]
    found = {name: plot for name, plot in of(tmp_path, *nine, *two).items() if name.startswith("accuracy")}
    assert {name: len(plot.series) // 2 for name, plot in found.items()} == {
        "accuracy-digits-vgg11": 2,
        "accuracy-digits-vgg-small": 6,
        "accuracy-digits-vgg-small-2": 3,
    }
    assert found["accuracy-digits-vgg-small"].series[0].label == "batch 1"


@pytest.mark.slow
def test_a_foreign_model_makes_no_foreign_path(tmp_path: Path) -> None:
    models = ["../../etc/$x_1$.py:make", "../../etc/$x_1$.py;make"]
    cases = [structs.replace(VGG, model=model, batch=b) for model in models for b in range(1, 5)]
    found = of(tmp_path / "run", *(learned(case, [0.5, 0.9]) for case in cases))
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in found)
    assert len(found) == 5
    assert plots.draw(found["speed-accuracy-digits"], "png").startswith(PNG)


def test_losses_over_decades_are_logarithmic(tmp_path: Path) -> None:
    def loss(accuracies: list[float]) -> Plot:
        return of(tmp_path / str(len(accuracies)), learned(VGG, accuracies))["loss-digits-vgg-small"]

    assert not loss([0.5, 0.9]).log_y
    assert loss([0.5, 0.9, 0.99]).log_y
    assert not loss([0.5, 0.9, 0.99, 1.0]).log_y


@pytest.mark.slow
def test_written_files_are_pictures_and_the_text_links_them(tmp_path: Path) -> None:
    shown = plots.write(
        document(structs.replace(PLOT, under=TableKey("first")), structs.replace(PLOT, name="b")),
        tmp_path / "my plots",
    )
    assert sorted(file.name for file in (tmp_path / "my plots").iterdir()) == [
        "accuracy.png",
        "accuracy.svg",
        "b.png",
        "b.svg",
    ]
    assert (tmp_path / "my plots" / "b.png").read_bytes().startswith(PNG)
    text = formats.render("md", shown)
    assert text.index("First") < text.index("(my%20plots/accuracy.png)") < text.index("Last")
    assert text.index("Last") < text.index("(my%20plots/b.png)") < text.index("(my%20plots/b.svg)")


def test_without_plots_nothing_is_written(tmp_path: Path) -> None:
    assert plots.write(document(), tmp_path / "plots") == document()
    assert not (tmp_path / "plots").exists()


def test_titles_are_escaped(tmp_path: Path) -> None:
    shown = structs.replace(document(structs.replace(PLOT, title="a](x) <b> *c*")), pictures="p")
    tokens = MarkdownIt("commonmark").enable("table").parse(formats.render("md", shown))
    inline = [child for token in tokens for child in token.children or ()]
    (image,) = [token for token in inline if token.type == "image"]
    assert (image.content.replace("\\", ""), image.attrs["src"]) == ("a](x) &lt;b> *c*", "p/accuracy.png")
    assert not [token for token in inline if token.type in ("em_open", "html_inline")]


@pytest.mark.parametrize("format_", [name for name in formats.for_any() if name not in ("md", "html")])
def test_other_formats_are_as_without_plots(format_: str) -> None:
    with_plots = structs.replace(document(PLOT), pictures="plots")
    assert formats.render(format_, with_plots) == formats.render(format_, document())


def test_svg_is_the_same_every_time() -> None:
    first, second = (plots.draw(PLOT, "svg") for _ in range(2))
    assert first == second
    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert b"<dc:date>" not in first
    assert first != plots.draw(structs.replace(PLOT, y_label="loss"), "svg")


def test_drawing_leaves_the_users_settings() -> None:
    import matplotlib as mpl

    mpl.rcParams["font.size"] = 33.0
    try:
        plots.draw(PLOT, "png")
        assert mpl.rcParams["font.size"] == 33.0
    finally:
        mpl.rcdefaults()


def test_the_curve_stands_where_it_should() -> None:
    """Of the two halves of a plot that rises, the color of its line is higher up in the right one."""
    image = pixels(structs.replace(PLOT, series=(structs.replace(LINE, low=(), high=()),)))
    blue = np.all(np.abs(image[..., :3] - np.array([0x00, 0x72, 0xB2]) / 255) < 0.02, axis=2)
    rows, columns = np.nonzero(blue)
    middle = (columns.min() + columns.max()) / 2
    assert rows[columns > middle].mean() < rows[columns < middle].mean()
    assert blue.sum() > 500


def test_names_do_not_cover_each_other() -> None:
    """Four points close together: without looking for room their names would overlap."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

    from reports.drawing.label_placement import place_names

    figure = Figure(figsize=(7, 4), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    series = Series(
        x=(1.0, 1.02, 1.04, 3.0), y=(2.0, 2.01, 2.02, 5.0), names=("fp32", "tf32", "amp-bf16", "x")
    )
    axes.plot(series.x, series.y, "o")
    place_names(figure, axes, [series])
    found = [child for child in axes.get_children() if isinstance(child, Annotation)]
    boxes = [text.get_window_extent() for text in found]
    assert len(boxes) == 4
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


@pytest.mark.slow
@pytest.mark.parametrize("log", [False, True])
def test_every_kind_of_plot_is_drawn(log: bool) -> None:
    points = structs.replace(
        PLOT, kind="points", log_x=log, log_y=log, series=(structs.replace(LINE, names=("a", "$b", "_c")),)
    )
    for plot in (
        points,
        structs.replace(PLOT, log_y=log, series=(LINE, structs.replace(LINE, label="_other", dashed=True))),
    ):
        assert plots.draw(plot, "png").startswith(PNG)


@pytest.mark.slow
def test_a_report_in_a_file_has_its_plots_beside_it(tmp_path: Path) -> None:
    bf16 = structs.replace(VGG, precision="amp-bf16")
    run = planted_records.write(tmp_path / "run", [*seeds(VGG, (0.97,)), *seeds(bf16, (0.97,))])
    file = tmp_path / "report.md"
    report = [sys.executable, "-m", "bench", "report", str(run)]
    subprocess.run([*report, "-o", str(file)], check=True, cwd=ROOT)
    linked = re.findall(r"""(?:\]\(|srcset="|src=")([^)"]+\.(?:png|svg))[)"]""", file.read_text())
    assert "report-plots/speed-accuracy-digits.png" in linked
    assert sorted(linked) == sorted(f"report-plots/{f.name}" for f in (tmp_path / "report-plots").iterdir())
    printed = subprocess.run(report, check=True, cwd=ROOT, capture_output=True, text=True).stdout
    assert ".png" not in printed
    subprocess.run([*report, "-o", str(tmp_path / "rows.csv"), "--format", "csv"], check=True, cwd=ROOT)
    assert not (tmp_path / "rows-plots").exists()


@pytest.mark.slow
def test_plots_need_no_torch_and_data_need_no_matplotlib(tmp_path: Path) -> None:
    run = planted_records.write(tmp_path, seeds(VGG, (0.97,)))
    program = (
        "import sys, pathlib\n"
        "from reports.drawing import plots\n"
        "from reports.pages.run_report import build\n"
        f"document = build([pathlib.Path({str(run)!r})])\n"
        "assert document.plots and 'matplotlib' not in sys.modules\n"
        f"plots.write(document, pathlib.Path({str(tmp_path / 'plots')!r}))\n"
        "assert 'matplotlib.figure' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
        "assert not {'torch', 'torchvision'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_bars_lie_one_after_the_other_in_their_rows() -> None:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    axes = Figure().add_subplot()
    forward = Series(label="forward", x=(1.0, 2.0), y=(0.0, 1.0), names=("conv", "relu"))
    backward = Series(label="backward", x=(5.0,), y=(1.0,), names=("relu",))
    draw_bars(axes, (forward, backward), COLORS)
    bars = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
    found = [(bar.get_y() + bar.get_height() / 2, bar.get_x(), bar.get_width()) for bar in bars]
    assert found == [(0, 0, 1), (1, 0, 2), (1, 2, 5)]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["conv", "relu"]
    assert axes.yaxis_inverted()  # the first row is on top
