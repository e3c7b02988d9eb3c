"""The page of a report in a real browser: headless Chromium, driven by Selenium.

The browser and its driver are system packages (`chromium` and `chromium-driver` of Debian), which .ci/run
installs. Elsewhere these tests are skipped where there are none.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from msgspec import structs

pytest.importorskip("selenium")

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from reports import formats
from reports.cells import Cell
from reports.document import Document, Table
from reports.pages.run_report import build
from tests.planted import planted_records
from tests.planted.planted_learning import VGG, seeds

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"
SCRIPT = "<script>alert(1)</script>"
DESKTOP, PHONE = (1280, 900), (375, 812)
FIGURES: tuple[Cell, ...] = (
    "12.3 ±1.2%",
    None,
    "1,234 ±0.1% †",
    "9.871 -18% +22%",
    "-5.70x (-5.9 to -5.5)",
    ">100",
    "n/a",
    0.25,
)
"""As tables print them, in disorder."""
ASCENDING = [
    "-5.70x (-5.9 to -5.5)",
    "0.2500",
    "9.871 -18% +22%",
    "12.3 ±1.2%",
    ">100",
    "1,234 ±0.1% †",
    "n/a",
    "",
]

Driver = webdriver.Chrome


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """A headless Chromium that keeps what its console and its network say."""
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which(DRIVER)
    if binary is None or driver is None:
        reason = f"needs a browser ({', '.join(BROWSERS)}) and {DRIVER}: .ci/run installs them"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    options = Options()
    options.binary_location = binary
    profile = tmp_path_factory.mktemp("profile")
    # Without /dev/shm of a useful size, as in containers, and without a sandbox, which root cannot have.
    for argument in ("headless=new", "disable-gpu", "disable-dev-shm-usage", f"user-data-dir={profile}"):
        options.add_argument(f"--{argument}")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as opened:
        yield opened


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
    """The page on a light desktop."""
    return show(browser, report)


def show(browser: Driver, file: Path) -> Driver:
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # what an earlier page said is forgotten
    emulate(browser)
    browser.get(file.as_uri())
    return browser


def emulate(browser: Driver, scheme: str = "light", size: tuple[int, int] = DESKTOP, media: str = "") -> None:
    """A screen of so many CSS pixels in the user's colours, or paper (`print`)."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def ask(browser: Driver, expression: str) -> Any:
    """The value of an expression of JavaScript."""
    return browser.execute_script(f"return {expression}")


def picture(browser: Driver, file: Path) -> np.ndarray[Any, Any]:
    """The pixels of what is seen, which is also kept in the file: height x width x RGB, from 0 to 1."""
    from matplotlib.image import imread

    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    file.write_bytes(base64.b64decode(shot["data"]))
    return cast(np.ndarray[Any, Any], imread(file))[..., :3]


@pytest.mark.slow
def test_it_opens_without_a_word_and_asks_for_nothing(opened: Driver, report: Path) -> None:
    assert opened.title == "convbench report"
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
def test_a_click_sorts_by_numbers_and_leaves_gaps_last(sortable: Driver) -> None:
    before = column(sortable, 1)
    button = sortable.find_element(By.CSS_SELECTOR, "thead th:nth-child(2) button")
    button.click()
    assert (column(sortable, 1), sorted_by(sortable)) == (ASCENDING, [None, "ascending"])
    button.click()
    assert (column(sortable, 1), sorted_by(sortable)) == ([*ASCENDING[-2::-1], ""], [None, "descending"])
    button.click()
    assert (column(sortable, 1), sorted_by(sortable)) == (before, [None, None])


@pytest.mark.slow
def test_the_keyboard_sorts_names_with_the_numbers_in_them(sortable: Driver) -> None:
    sortable.find_element(By.CSS_SELECTOR, "thead th button").send_keys(Keys.ENTER)
    assert column(sortable, 0) == [f"m{n}" for n in range(3, 11)]
    assert sorted_by(sortable) == ["ascending", None]


def luminance(colour: str) -> float:
    """Relative luminance of a computed `rgb(r, g, b)`, as WCAG 2 defines it."""
    channels = [int(part) / 255 for part in colour.strip("rgba()").split(",")[:3]]
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
        colour = ask(opened, f"getComputedStyle(document.querySelector('{selector}')).color")
        assert contrast(colour, paper) >= 4.5, selector
    for selector, need in (("svg text", 4.5), ('svg [style*="--series-0"]', 3.0)):
        style = f"getComputedStyle(document.querySelector('{selector}'))"
        colour = ask(opened, f"{style}.fill.startsWith('rgb') ? {style}.fill : {style}.stroke")
        assert contrast(colour, paper) >= need, selector


@pytest.mark.slow
@pytest.mark.parametrize("size", [DESKTOP, PHONE, (320, 600)])
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
    sizes = ask(opened, "[...document.querySelectorAll('svg')].map(e => [e.clientWidth, e.clientHeight])")
    assert len(sizes) > 4
    assert min(min(size) for size in sizes) > 100
    ids = ask(opened, "[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_on_paper_it_is_black_on_white_and_nothing_is_cut_off(opened: Driver) -> None:
    emulate(opened, "dark", media="print", size=(700, 990))
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
@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)])
def test_something_is_seen(opened: Driver, tmp_path: Path, scheme: str, size: tuple[int, int]) -> None:
    """Most of it paper, some of it ink, and in the picture its colours."""
    emulate(opened, scheme, size)
    top = picture(opened, tmp_path / "top.png")
    assert top.shape[:2] == size[::-1]
    paper = top[2, 2]
    inked = np.abs(top - paper).max(axis=2) > 0.25
    assert 0.01 < inked.mean() < 0.4
    ask(opened, "[...document.querySelectorAll('figure')].at(-1).scrollIntoView()")
    seen = picture(opened, tmp_path / "figure.png")
    coloured = seen.max(axis=2) - seen.min(axis=2) > 0.3
    assert coloured.sum() > 100
