"""The page of a report in a real browser: headless Chromium, driven by Selenium."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

pytest.importorskip("selenium")

import itertools

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from reports import formats
from reports.bar_rows import BarChart, BarRow
from reports.cells import Cell, Quantity, readable
from reports.document import Answer, Document, Table
from reports.dot_chart import Dot, DotChart
from reports.pages.run_report import build
from reports.tables.label_meanings import MEANINGS
from tests.planted import planted_answer, planted_records
from tests.planted.page_browser import (
    DESKTOP,
    PHONE,
    WIDTHS,
    Driver,
    ask,
    axe,
    emulate,
    picture,
    show,
    started,
)
from tests.planted.planted_learning import VGG, seeds

SCRIPT = "<script>alert(1)</script>"
FIGURES: tuple[Cell, ...] = (
    Quantity(value=12.3, low=12.1, high=12.5),
    None,
    Quantity(value=1234.0, of_one=True),
    Quantity(value=1.0, low=0.1, high=50.0),
    Quantity(value=-5.7, low=-5.9, high=-5.5, interval="ends", unit="x"),
    Quantity(value=100.0, digits="given", more_than=True),
    "n/a",
    0.25,
    Quantity(value=math.inf),
)
"""As tables hold them, in disorder."""
ASCENDING = [-5.7, 0.25, 12.3, 100.0, 1234.0, math.inf]
"""What is known of them by value; words come after them, and what is not known always last."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    yield from started(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run that measured and trained, of models and with reasons that try to be markup."""
    folder = tmp_path_factory.mktemp("report")
    records = [
        *planted_records.example(),
        *seeds(VGG, (0.96, 0.97)),
        *seeds(structs.replace(VGG, batch=64), (0.95,)),
    ]
    named = structs.replace(planted_records.example()[0].case, model=SCRIPT)
    records += planted_records.replicates(named, [0.1, 0.11])
    records.append(
        planted_records.record(
            structs.replace(named, batch=2), status="crashed", reason=f"{SCRIPT}<img src=x onerror=alert(2)>"
        )
    )
    document = build([planted_records.write(folder / "run", records)])
    case = "alexnet/training/cpu/fp32/compile/nchw/b64/t2/i64/freezing"
    long = Table(title=f"Layers of {case}", columns=("layer", "which"), rows=((case, case), ("conv1", case)))
    file = folder / "page.html"
    file.write_text(
        formats.render("html", structs.replace(document, tables=(*document.tables, long))), encoding="utf-8"
    )
    return file


@pytest.fixture
def opened(browser: Driver, report: Path) -> Driver:
    """The page on a light desktop, with all parts open."""
    show(browser, report)
    ask(browser, "document.querySelectorAll('details').forEach(part => { part.open = true; })")
    return browser


@pytest.mark.slow
def test_it_opens_without_a_word_and_asks_for_nothing(opened: Driver, report: Path) -> None:
    assert "convbench" in opened.title
    assert opened.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert report.as_uri() in asked
    assert {url for url in asked if not url.startswith("data:")} == {report.as_uri()}


@pytest.mark.slow
def test_what_looks_like_markup_is_read_as_text(opened: Driver) -> None:
    text = ask(opened, "document.body.innerText")
    assert text.count(SCRIPT) > 3
    assert "<img src=x onerror=alert(2)>" in text
    assert ask(opened, "document.scripts.length") == 1
    assert ask(opened, "document.images.length") == 0


@pytest.mark.slow
def test_a_script_that_found_its_way_in_does_not_run(browser: Driver, tmp_path: Path) -> None:
    whole = formats.render("html", Document(title="T", tables=()))
    file = tmp_path / "page.html"
    file.write_text(
        whole.replace("</main>", "<script>document.title = 'run'</script></main>"), encoding="utf-8"
    )
    assert show(browser, file).title == "T"
    assert any("Content Security Policy" in entry["message"] for entry in browser.get_log("browser"))


@pytest.fixture
def sortable(browser: Driver, tmp_path: Path) -> Driver:
    rows = tuple((f"m{10 - n}", cell) for n, cell in enumerate(FIGURES))
    file = tmp_path / "table.html"
    table = Table(title="Times", columns=("model", "time"), rows=rows)
    file.write_text(formats.render("html", Document(title="T", tables=(table,))), encoding="utf-8")
    return show(browser, file)


def column(browser: Driver, index: int) -> list[str]:
    return list(
        ask(browser, f"[...document.querySelectorAll('tbody tr')].map(row => row.cells[{index}].textContent)")
    )


def sorted_by(browser: Driver) -> list[str | None]:
    return list(
        ask(browser, "[...document.querySelectorAll('thead th')].map(th => th.getAttribute('aria-sort'))")
    )


@pytest.mark.slow
def test_a_click_sorts_by_value_and_leaves_what_is_not_known_last(sortable: Driver) -> None:
    before = column(sortable, 1)
    by_value = {cell.value if isinstance(cell, Quantity) else cell: readable(cell) for cell in FIGURES}
    ascending, unknown = [by_value[value] for value in ASCENDING], ["", by_value[1.0]]
    button = sortable.find_element(By.CSS_SELECTOR, "thead th:nth-child(2) button")
    button.click()
    assert (column(sortable, 1), sorted_by(sortable)) == ([*ascending, "n/a", *unknown], [None, "ascending"])
    button.click()
    assert (column(sortable, 1), sorted_by(sortable)) == (
        ["n/a", *ascending[::-1], *unknown],
        [None, "descending"],
    )
    button.click()
    assert (column(sortable, 1), sorted_by(sortable)) == (before, [None, None])


@pytest.mark.slow
def test_the_keyboard_sorts_names_with_the_numbers_in_them(sortable: Driver) -> None:
    sortable.find_element(By.CSS_SELECTOR, "thead th button").send_keys(Keys.ENTER)
    assert column(sortable, 0) == [f"m{n}" for n in range(2, 11)]
    assert sorted_by(sortable) == ["ascending", None]


@pytest.mark.slow
def test_the_filter_leaves_the_rows_that_have_all_its_words(sortable: Driver) -> None:
    box = sortable.find_element(By.CSS_SELECTOR, ".filter input")
    assert box.accessible_name == "Filter"
    box.send_keys("M1 12.3")
    rows = "[...document.querySelectorAll('tbody tr')].filter(row => row.offsetHeight)"
    seen = f"{rows}.map(row => row.cells[0].textContent)"
    assert ask(sortable, seen) == ["m10"]
    assert sortable.find_element(By.CSS_SELECTOR, ".filter output").text == "1 of 9 rows"
    box.clear()
    box.send_keys(Keys.SPACE)
    assert len(ask(sortable, seen)) == 9


@pytest.mark.slow
def test_arrow_keys_go_through_the_rows_and_the_tab_key_visits_one(sortable: Driver) -> None:
    stops = "[...document.querySelectorAll('tbody .mark')].filter(link => link.tabIndex === 0).length"
    focused = "document.activeElement.closest('tr').cells[0].textContent"
    assert ask(sortable, stops) == 1
    sortable.find_element(By.CSS_SELECTOR, "thead th:nth-child(2) button").send_keys(Keys.TAB)
    assert ask(sortable, focused) == "m10"
    for key, row in ((Keys.ARROW_DOWN, "m9"), (Keys.END, "m2"), (Keys.ARROW_UP, "m3"), (Keys.HOME, "m10")):
        sortable.switch_to.active_element.send_keys(key)
        assert ask(sortable, focused) == row
    assert ask(sortable, stops) == 1


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("answer") / "page.html"
    file.write_text(formats.render("html", planted_answer.document()), encoding="utf-8")
    return file


def is_seen(browser: Driver, selector: str) -> bool:
    """Whether the first such element is in no closed part, and stands in the window."""
    if not ask(browser, f"document.querySelector('{selector}').checkVisibility()"):
        return False
    box = ask(browser, f"document.querySelector('{selector}').getBoundingClientRect().toJSON()")
    return bool(box["height"] > 0 and box["top"] >= -1 and box["top"] < ask(browser, "window.innerHeight"))


@pytest.mark.slow
@pytest.mark.parametrize("size", WIDTHS)
def test_the_first_screen_holds_the_answer(browser: Driver, answer: Path, size: tuple[int, int]) -> None:
    emulate(show(browser, answer), size=size)
    browser.get(answer.as_uri())
    for selector in ("h1", ".headlines li", ".chart", ".answer table"):
        assert is_seen(browser, selector), selector
    tops = [
        ask(browser, f"document.querySelector('{selector}').getBoundingClientRect().top")
        for selector in ("h1", ".chart", ".answer table", "#next", ".part")
    ]
    assert tops == sorted(tops)
    assert ask(browser, "document.querySelector('nav details').open") == (size == DESKTOP)
    nav = ask(browser, "document.querySelector('nav').getBoundingClientRect().toJSON()")
    if size == DESKTOP:
        assert nav["left"] > ask(browser, "document.querySelector('.answer').getBoundingClientRect().right")
        assert is_seen(browser, "nav")
    else:
        assert nav["top"] > tops[3]


@pytest.mark.slow
@pytest.mark.parametrize("size", WIDTHS)
def test_letters_of_the_chart_can_be_read_at_any_width(
    browser: Driver, answer: Path, size: tuple[int, int]
) -> None:
    emulate(show(browser, answer), size=size)
    heights = ask(
        browser,
        "[...document.querySelectorAll('.chart text')]"
        ".map(text => text.getBoundingClientRect().height).filter(height => height)",
    )
    assert len(heights) == 2 + 3 + 5, "a legend, three names and five values, once"
    assert min(heights) >= 11


@pytest.mark.slow
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_no_word_of_a_chart_is_cut_off_or_covered(
    browser: Driver, tmp_path: Path, size: tuple[int, int]
) -> None:
    """Short values with broad signs, and a name of capitals."""
    shares = (61.0, 28.0, 8.0)
    rows = tuple(
        BarRow(name, (Quantity(value=share, unit="%", digits=0),))
        for name, share in zip(("convolution", "VGG-19-BN", "rest"), shares, strict=True)
    )
    answer = Answer(about="", headlines=(), chart=BarChart(title="Share", rows=rows))
    file = tmp_path / "page.html"
    file.write_text(formats.render("html", Document(title="T", answer=answer, tables=())), encoding="utf-8")
    emulate(show(browser, file), size=size)
    box = "e => e.getBoundingClientRect().toJSON()"
    (svg,), texts, bars = (
        [
            each
            for each in ask(browser, f"[...document.querySelectorAll('{what}')].map({box})")
            if each["width"]
        ]
        for what in (".chart svg", ".chart text", ".chart rect")
    )
    assert (len(texts), len(bars)) == (6, 3)
    assert max(text["right"] for text in texts) <= svg["right"]
    for text in texts:
        beside = [bar for bar in bars if bar["top"] < text["top"] + text["height"] / 2 < bar["bottom"]]
        assert all(text["right"] <= bar["left"] or text["left"] >= bar["right"] for bar in beside)


@pytest.mark.slow
def test_a_link_from_the_contents_opens_its_part(browser: Driver, answer: Path) -> None:
    show(browser, answer)
    assert not is_seen(browser, "#memory table")
    for _ in range(2):  # the second time the address is there already
        browser.find_element(By.LINK_TEXT, "Peak memory").click()
        assert is_seen(browser, "#memory table")
        browser.execute_script("document.querySelector('#memory details').open = false; scrollTo(0, 0)")
    browser.find_element(By.CSS_SELECTOR, "nav button").click()
    assert ask(browser, "[...document.querySelectorAll('.part > details')].every(part => part.open)")


@pytest.mark.slow
def test_the_address_of_a_row_shows_it_also_in_a_folded_part(browser: Driver, answer: Path) -> None:
    show(browser, answer)
    link = ask(browser, "document.querySelector('#times tbody tr:last-child .mark').href")
    assert link.endswith("#inference-on-cpu-alexnet-12")
    browser.get("about:blank")
    browser.get(link)
    assert is_seen(browser, "#inference-on-cpu-alexnet-12")
    color = "getComputedStyle(document.querySelector('{} td')).backgroundColor"
    marked, other = (ask(browser, color.format(place)) for place in (":target", "#times tbody tr"))
    assert marked != other


@pytest.mark.slow
def test_pointer_and_focus_show_the_samples_of_a_row(browser: Driver, answer: Path) -> None:
    show(browser, answer)
    row = browser.find_element(By.CSS_SELECTOR, ".answer tbody tr")
    panel = browser.find_element(By.ID, row.get_attribute("data-samples"))
    assert not panel.is_displayed()
    ActionChains(browser).move_to_element(row).perform()
    assert panel.is_displayed()
    assert "3 processes: medians -2.0% to +3.0%" in panel.text
    box = ask(
        browser, f"document.getElementById('{panel.get_attribute('id')}').getBoundingClientRect().toJSON()"
    )
    assert box["top"] >= 0
    assert box["bottom"] <= DESKTOP[1]
    ActionChains(browser).move_to_element(browser.find_element(By.TAG_NAME, "h1")).perform()
    assert not panel.is_displayed()
    link = row.find_element(By.CSS_SELECTOR, ".mark")
    browser.execute_script("arguments[0].focus()", link)
    assert panel.is_displayed()
    assert link.get_attribute("aria-describedby") == panel.get_attribute("id")
    link.send_keys(Keys.ESCAPE)
    assert not panel.is_displayed()


@pytest.mark.slow
@pytest.mark.parametrize("is_allowed", [True, False])
def test_the_command_is_copied_or_else_chosen(browser: Driver, answer: Path, is_allowed: bool) -> None:
    show(browser, answer)
    wanted = "Promise.resolve(window.copied = text)" if is_allowed else "Promise.reject(Error())"
    browser.execute_script(f"navigator.clipboard.writeText = (text) => {wanted}")
    browser.find_element(By.CSS_SELECTOR, ".next button").click()
    said = WebDriverWait(browser, 5).until(lambda it: it.find_element(By.CSS_SELECTOR, ".next output").text)
    assert said == ("Copied" if is_allowed else "Press Ctrl+C")
    found = ask(browser, "window.copied" if is_allowed else "String(getSelection())")
    assert found == "convbench run --resume --out runs/1"


@pytest.mark.slow
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_what_labels_mean_is_reached_without_a_pointer_that_hovers(
    browser: Driver, answer: Path, size: tuple[int, int]
) -> None:
    """By keyboard, and by a tap: a title alone has neither."""
    emulate(show(browser, answer), size=size)
    ask(browser, "document.querySelectorAll('.part > details').forEach(part => { part.open = true; })")
    legend = browser.find_element(By.CSS_SELECTOR, ".parts .legend")
    meaning, summary = legend.find_element(By.TAG_NAME, "dd"), legend.find_element(By.TAG_NAME, "summary")
    assert not meaning.is_displayed()
    browser.execute_script("arguments[0].focus()", summary)
    assert ask(browser, "document.activeElement.textContent") == "What the labels mean"
    summary.send_keys(Keys.ENTER)
    assert meaning.is_displayed()
    assert MEANINGS["drifting"] in legend.text
    summary.click()
    assert not meaning.is_displayed()


@pytest.mark.slow
def test_the_tab_key_goes_down_the_page(browser: Driver, answer: Path) -> None:
    """The order of the focus is that of reading: no step goes up within the page's column."""
    show(browser, answer)
    places = []
    for _ in range(12):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        places.append(
            ask(
                browser,
                "(e => [e.closest('nav') ? 'nav' : 'page', e.getBoundingClientRect().top + scrollY])"
                "(document.activeElement)",
            )
        )
    for where in ("nav", "page"):
        tops = [top for place, top in places if place == where]
        assert len(tops) > 2
        assert all(after >= before - 25 for before, after in itertools.pairwise(tops)), tops


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_axe_finds_no_fault(browser: Driver, answer: Path, scheme: str, size: tuple[int, int]) -> None:
    """Contrast, names, roles and keyboard, as far as a program can see them; all parts are open."""
    emulate(show(browser, answer), scheme, size)
    ask(browser, "document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert axe(browser) == []


@pytest.mark.slow
def test_axe_finds_a_fault_that_was_planted(browser: Driver, answer: Path) -> None:
    show(browser, answer)
    ask(browser, "document.querySelector('.about').style.color = '#bbb'")
    ask(browser, "document.querySelector('.mark').removeAttribute('aria-label')")
    assert {fault.split(":")[0] for fault in axe(browser)} == {"color-contrast", "link-name"}


@pytest.mark.slow
def test_axe_finds_no_fault_in_the_report_of_a_run(opened: Driver) -> None:
    emulate(opened, "dark")
    assert axe(opened) == []


def luminance(color: str) -> float:
    """Relative luminance of a computed `rgb(r, g, b)`, as WCAG 2 defines it."""
    channels = [int(part) / 255 for part in color.strip("rgba()").split(",")[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_paper(opened: Driver, scheme: str) -> None:
    emulate(opened, scheme)
    paper = ask(opened, "getComputedStyle(document.documentElement).backgroundColor")
    assert (luminance(paper) < 0.1) == (scheme == "dark")
    for selector in ("p", ".note", "td", "thead th", "a", "figcaption p"):
        color = ask(opened, f"getComputedStyle(document.querySelector('{selector}')).color")
        assert contrast(color, paper) >= 4.5, selector
    for selector, need in (("svg text", 4.5), ('svg [style*="--series-0"]', 3.0)):
        style = f"getComputedStyle(document.querySelector('{selector}'))"
        color = ask(opened, f"{style}.fill.startsWith('rgb') ? {style}.fill : {style}.stroke")
        assert contrast(color, paper) >= need, selector


@pytest.mark.slow
@pytest.mark.parametrize("size", [*WIDTHS, (320, 600)])
def test_only_tables_and_pictures_scroll_sideways(opened: Driver, size: tuple[int, int]) -> None:
    emulate(opened, size=size)
    assert ask(opened, "document.documentElement.scrollWidth") <= size[0]
    assert ask(opened, "window.innerWidth") == size[0]


@pytest.mark.slow
def test_on_a_phone_the_first_column_stays(opened: Driver) -> None:
    emulate(opened, size=PHONE)
    place = (
        "[...document.querySelectorAll('.scroll')].find(e => e.querySelector('table') && e.scrollWidth > 500)"
    )
    ask(opened, f"{place}.scrollTo(150, 0)")
    assert ask(opened, f"{place}.scrollLeft") == 150
    left = ask(opened, f"{place}.getBoundingClientRect().left")
    assert ask(opened, f"{place}.querySelector('tbody th').getBoundingClientRect().left") == pytest.approx(
        left
    )
    assert ask(opened, f"{place}.querySelector('tbody td').getBoundingClientRect().left") < left


@pytest.mark.slow
def test_every_picture_has_a_size_and_every_id_is_one(opened: Driver) -> None:
    shown = "[...document.querySelectorAll('figure svg')].filter(e => e.checkVisibility())"
    sizes = ask(opened, f"{shown}.map(e => [e.clientWidth, e.clientHeight])")
    assert len(sizes) > 4
    assert min(min(size) for size in sizes) > 100
    ids = ask(opened, "[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_on_paper_it_is_black_on_white_and_nothing_is_cut_off(opened: Driver) -> None:
    emulate(opened, "dark", media="print", size=(700, 990))
    assert ask(opened, "[...document.querySelectorAll('table')].every(table => table.offsetHeight > 0)")
    assert luminance(ask(opened, "getComputedStyle(document.querySelector('td')).color")) < 0.1
    assert ask(opened, "getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert ask(opened, "getComputedStyle(document.querySelector('nav')).display") == "none"
    ends = ask(
        opened, "[...document.querySelectorAll('table, svg')].map(e => e.getBoundingClientRect().right)"
    )
    assert max(ends) <= 700
    pdf = base64.b64decode(opened.print_page())
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 20_000


@pytest.mark.slow
def test_print_has_what_is_folded_on_the_screen(browser: Driver, answer: Path) -> None:
    show(browser, answer)
    opened = "[...document.querySelectorAll('.part > details')].filter(part => part.open).length"
    browser.execute_script(f"addEventListener('afterprint', () => {{ window.opened = {opened}; }}, true)")
    emulate(browser, media="print")
    heights = ask(browser, "[...document.querySelectorAll('table')].map(table => table.offsetHeight)")
    assert len(heights) == 4
    assert min(heights) > 0, "by the style sheet, without the script"
    emulate(browser)
    browser.print_page()
    assert ask(browser, "window.opened") == 0, "and closed again"
    assert ask(browser, opened) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)])
def test_something_is_seen(opened: Driver, tmp_path: Path, scheme: str, size: tuple[int, int]) -> None:
    """Most of it paper, some of it ink, and in the picture its colors."""
    emulate(opened, scheme, size)
    top = picture(opened, tmp_path / "top.png")
    assert top.shape[:2] == size[::-1]
    paper = top[2, 2]
    inked = np.abs(top - paper).max(axis=2) > 0.25
    assert 0.01 < inked.mean() < 0.4
    second = "f => f.querySelector('[style*=\"--series-1\"]')"
    ask(opened, f"[...document.querySelectorAll('.parts figure')].filter({second}).at(-1).scrollIntoView()")
    seen = picture(opened, tmp_path / "figure.png")
    colored = seen.max(axis=2) - seen.min(axis=2) > 0.3
    assert colored.sum() > 100


@pytest.mark.slow
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_the_dots_of_a_chart_are_round_and_seen(
    browser: Driver, tmp_path: Path, size: tuple[int, int]
) -> None:
    """A stroke without length is drawn only with round ends, which the page's own style must leave alone."""
    dots = (Dot(0.0), Dot(0.1), Dot(5.0, "node5 GPU 3"))
    chart = DotChart(title="Slower, %", what="GPU", dots=dots, margin=3.0)
    answer = Answer(about="", headlines=(), dots=chart)
    file = tmp_path / "page.html"
    file.write_text(formats.render("html", Document(title="T", answer=answer, tables=())), encoding="utf-8")
    emulate(show(browser, file), size=size)
    drawn = (
        "[...document.querySelectorAll('.chart path')].filter(path => path.getAttribute('d').endsWith('h0'))"
    )
    caps = ask(browser, f"{drawn}.map(path => getComputedStyle(path).strokeLinecap)")
    assert caps == ["round"] * 4, "two colors, for a desk and a phone"
    texts = "[...document.querySelectorAll('.chart text')].map(text => text.getBoundingClientRect().right)"
    assert max(ask(browser, texts)) <= size[0]
