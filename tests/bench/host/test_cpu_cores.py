"""What a core could do at best, from the kernel's words about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.host import cpu_cores

XEON = (
    "processor\t: 0\nmodel name\t: Intel(R) Xeon(R)\ncpu MHz\t\t: 2000.000\nflags\t\t: fpu avx avx2 avx512f\n"
)
ZEN = "processor\t: 0\ncpu MHz\t\t: 2500.000\nflags\t\t: fpu avx avx2\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd bf16\n"


@pytest.mark.parametrize(
    ("text", "flops"),
    [(XEON, 64 * 2.0e9), (ZEN, 32 * 2.5e9), (ARM, 16 * 2.5e9), ("", 8 * 2.5e9)],
    ids=["avx512", "avx2", "arm", "nothing is said"],
)
def test_a_core_is_as_fast_as_its_vectors_are_wide(tmp_path: Path, text: str, flops: float) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu_cores.core_flops(tmp_path / "cpuinfo") == flops


def test_the_instructions_are_those_of_any_architecture(tmp_path: Path) -> None:
    for name, text, flag in (("x86", XEON, "avx512f"), ("arm", ARM, "bf16")):
        (tmp_path / name).write_text(text)
        assert flag in cpu_cores.instructions(tmp_path / name)
    assert cpu_cores.instructions(tmp_path / "missing") == frozenset()


def test_this_machine_has_a_speed() -> None:
    assert 1e9 < cpu_cores.core_flops() < 1e12
