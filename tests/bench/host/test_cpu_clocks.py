"""How the processor's clocks are set, as Linux tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.host import cpu_clocks


def planted(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("governors", "found"),
    [
        ((), None),
        (("performance\n", "performance\n"), "performance"),
        (("powersave\n", "performance\n"), "performance, powersave"),
    ],
)
def test_the_governor_is_that_of_all_cores(
    tmp_path: Path, governors: tuple[str, ...], found: str | None
) -> None:
    files = {f"cpu{at}/cpufreq/scaling_governor": text for at, text in enumerate(governors)}
    assert cpu_clocks.governor(planted(tmp_path, files)) == found


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, None),
        ({"intel_pstate/no_turbo": "1\n"}, False),
        ({"intel_pstate/no_turbo": "0\n"}, True),
        ({"cpufreq/boost": "1\n"}, True),
        ({"cpufreq/boost": "0\n"}, False),
        ({"intel_pstate/no_turbo": "0\n", "cpufreq/boost": "0\n"}, True),
    ],
)
def test_turbo_is_what_the_driver_of_the_clocks_says(
    tmp_path: Path, files: dict[str, str], *, found: bool | None
) -> None:
    assert cpu_clocks.turbo(planted(tmp_path, files)) is found
