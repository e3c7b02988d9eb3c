"""What a fork server has imported is what its children need, and no more."""

from __future__ import annotations

import pytest

from bench.runner.preload import preload
from bench.schema.case import Case


@pytest.mark.parametrize(
    "case",
    [
        Case(model="lenet5", workload="training"),
        Case(model="lenet5", engine="compile"),
        Case(model="torchvision:alexnet"),
        Case(model="mine.py:net"),
        Case(model="lenet5", precision="amp-bf16"),
    ],
)
def test_what_may_use_torchs_compiler_finds_it_imported(case: Case) -> None:
    assert "counted" in preload([case], facts=False)
    assert "counted" in preload([Case(model="lenet5")], facts=True)
    assert "counted" not in preload([Case(model="lenet5")], facts=False)
