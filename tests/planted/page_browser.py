"""A headless Chromium that shows a page of a report, driven by Selenium.

The browser and its driver are system packages (`chromium` and `chromium-driver` of Debian), which .ci/run
installs. Elsewhere tests with it are skipped where there are none.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

pytest.importorskip("selenium")

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from tests.planted.commands import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"
DESKTOP, TABLET, PHONE = (1280, 900), (768, 1024), (390, 844)
WIDTHS = [DESKTOP, TABLET, PHONE]
AXE = ROOT / "tests" / "fixtures" / "axe-core" / "axe.min.js"


Driver = webdriver.Chrome


def started(profile: Path) -> Iterator[Driver]:
    """A headless Chromium that keeps what its console and its network say; what it keeps is in `profile`."""
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which(DRIVER)
    if binary is None or driver is None:
        reason = f"needs a browser ({', '.join(BROWSERS)}) and {DRIVER}: .ci/run installs them"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    options = Options()
    options.binary_location = binary
    # Without /dev/shm of a useful size, as in containers, and without a sandbox, which root cannot have.
    for argument in ("headless=new", "disable-gpu", "disable-dev-shm-usage", f"user-data-dir={profile}"):
        options.add_argument(f"--{argument}")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as opened:
        yield opened


def show(browser: Driver, file: Path) -> Driver:
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # what an earlier page said is forgotten
    emulate(browser)
    browser.get(file.as_uri())
    return browser


def emulate(browser: Driver, scheme: str = "light", size: tuple[int, int] = DESKTOP, media: str = "") -> None:
    """A screen of so many CSS pixels in the user's colors, or paper (`print`)."""
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


def axe(browser: Driver) -> list[str]:
    """Rule and element of each fault that axe-core finds in the page as it is shown."""
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    found = browser.execute_async_script(
        "const done = arguments[0];"
        "axe.run(document, {resultTypes: ['violations']}).then(found => done(found.violations))"
    )
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]
