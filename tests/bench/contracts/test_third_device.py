"""A device is one file: a third one, planted into `bench.devices`, is known wherever devices are named."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

import bench.devices
from bench import devices
from bench.plan import axes, ceiling_cases, estimate, expand, feasibility, named_suites
from bench.plan.ablations import sizes
from bench.schema.case import Case, MeasurementProtocol
from bench.studies.best import candidates
from reports import formats
from reports.history import then_and_now
from reports.pages import catalogue_report, run_report
from tests.planted import planted_records
from tests.planted.commands import ROOT, Command

TOY = """
from msgspec import structs
from bench.devices.fake import TRAITS, FakeDevice


class Toy(FakeDevice):
    name = "toy"
    traits = structs.replace(
        TRAITS,
        title="the toy",
        aliases=("abacus",),
        preference=20,
        precisions=("fp32", "bf16"),
        energy_scope="Counted by the toy itself.",
        costs=structs.replace(TRAITS.costs, ceiling_seconds=3.0),
        caveat="it is a toy",
    )

    def why_unsupported(self, case):
        return None if case.precision in self.traits.precisions else "the toy has fp32 and bf16"


DEVICE = Toy()
"""
CASE = Case(model="lenet5", image=28, channels=1, classes=10, device="toy")


@pytest.fixture(autouse=True)
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file in a folder of its own, which the package then spans too."""
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(bench.devices, "__path__", [*bench.devices.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    devices.devices.cache_clear()
    yield
    devices.devices.cache_clear()
    sys.modules.pop("bench.devices.toy", None)
    if hasattr(bench.devices, "toy"):
        delattr(bench.devices, "toy")


def test_it_is_accepted_listed_and_preferred_by_auto() -> None:
    assert axes.read("device", ["toy"]) == axes.read("device", ["abacus"]) == ("toy",)
    assert devices.auto() == "toy"
    listed = catalogue_report.catalogue_documents()["axes"]
    assert any("toy" in str(accepted) for name, _, accepted in listed.rows if name == "device")
    assert "--device toy: it is a toy." in listed.notes


def test_feasibility_asks_its_traits() -> None:
    assert feasibility.why_not_here(CASE) is None
    assert feasibility.why_impossible(structs.replace(CASE, precision="fp16")) == "the toy has fp32 and bf16"
    reason = feasibility.why_impossible(structs.replace(CASE, engine="cudagraph"))
    assert reason is not None
    assert "cudagraph" in reason
    reason = feasibility.why_impossible(structs.replace(CASE, tuning="fused-optimizer", workload="training"))
    assert reason == "fused-optimizer cannot be had on --device toy"


def test_suites_searches_and_sizes_are_those_of_its_scale_within_what_it_has() -> None:
    for name in named_suites.names():
        found = expand.cases(named_suites.find(name, "toy"), {}, threads=1)
        of_toy = [case for case in found if case.device == "toy"]
        assert of_toy
        assert {case.precision for case in of_toy} <= {"fp32", "bf16"}
        assert not {case.engine for case in of_toy} & set(named_suites.GRAPH_ENGINES)
    assert sizes(devices.traits("toy").scale) is sizes("large")
    space, _ = candidates.space_of(CASE, {})
    assert space.values["precision"] == ("fp32", "bf16")
    assert space.values["threads"] == (1,)
    assert {case.precision for case in then_and_now.processes("toy", 1, 1)} == {"fp32"}


def test_an_estimate_reckons_with_its_speed_and_its_ceilings() -> None:
    protocol = MeasurementProtocol()
    ceiling = ceiling_cases.case("toy", "fp32", 1)
    assert estimate.case_seconds(ceiling, protocol) == 3.0
    slow = structs.replace(CASE, model="vgg16", image=224, channels=3, classes=1000, batch=64)
    on_cuda = structs.replace(slow, device="cuda")
    assert estimate.estimate_seconds([slow], protocol) > estimate.estimate_seconds([on_cuda], protocol)


def test_doctor_and_list_name_it(command_line: Command) -> None:
    answer = command_line("doctor", "--device", "toy", "--format", "json")
    assert '"toy"' in answer.out
    assert "it is a toy" in answer.out
    assert "toy" in command_line("list", "axes").out


GOLDEN_ROWS = """\
| model   | comparison   |   before (ms) |                after (ms) |                  speed-up |
|:--------|:-------------|--------------:|--------------------------:|--------------------------:|
| lenet5  | cpu → toy    |      4.10 ±4% | about 1.10 (0.97 to 1.24) | about 3.7x (3.3x to 4.2x) |
"""


def test_a_report_compares_it_with_the_host(tmp_path: Path) -> None:
    """The comparison and its name come from the traits alone."""
    records = [
        planted_records.record(
            structs.replace(CASE, device=device, replicate=number),
            planted_records.time("forward", seconds),
            effective=planted_records.READ_BACK["cpu"],
        )
        for device, medians in (("cpu", (0.0040, 0.0041, 0.0042)), ("toy", (0.0010, 0.0011, 0.0012)))
        for number, seconds in enumerate(medians, start=1)
    ]
    shown = formats.render("md", run_report.build([planted_records.write(tmp_path / "run", records)]))
    lines = shown.partition("### Speed-ups")[2].strip().splitlines()
    assert "\n".join(lines[:3]) == GOLDEN_ROWS.strip()


NAMED = re.compile(r"""(["'])(cpu|cuda|mps)\1""")
LEFT = {
    "bench/schema/case.py": "the default of an axis",
    "bench/plan/named_suites.py": "tables of suites: the host beside what auto takes",
    "bench/host/cpu_cores.py": "the kernel's word",
    "bench/host/processor_time.py": "the kernel's word",
    "bench/child/case_network.py": "torch's word: cheap weights are those of the host",
    "bench/probes/flops.py": "torch's word: counted on tensors of the host",
    "bench/child/identity.py": "torch's word: told apart on the host, where nothing is measured",
    "bench/child/network_flops.py": "torch's word: counted on tensors of the host",
    "bench/child/output_agreement.py": "torch's word: the same images for every device, made on the host",
    "bench/child/training/checkpoint.py": "torch's word: loaded to the host",
    "bench/pytest_plugin/convbench_fixture.py": "torch's word: where a module without parameters lies",
    "bench/archive/importers/pytest_benchmark_json.py": "pytest-benchmark's word",
    "bench/pytest_plugin/saved_runs.py": "pytest-benchmark's word",
    "bench/rank_steps/gathered.py": "torch's word: whole weights are compared on the host",
    "bench/rank_steps/synced_norms.py": "torch's word: SyncBatchNorm is for GPUs only",
    "bench/strategies/ddp.py": "torch's word: DistributedDataParallel takes GPUs by number",
    "bench/strategies/hybrid_2014.py": "torch's word: DistributedDataParallel takes GPUs by number",
    "reports/formats/pytest_benchmark.py": "pytest-benchmark's word",
    "reports/pytest_files/saved_files.py": "pytest-benchmark's word",
    "reports/fleet/judged_kinds.py": "fields of an environment",
    "models/build.py": "torch's word: the default of where a module is made",
    "models/load.py": "torch's word: the default of where a module is made",
    "models/external.py": "torch's word: lazy layers take their shapes on the host",
    "models/user_inputs.py": "torch's word: only the signature is asked",
    "models/process_state.py": "torch's words: its settings by backend",
    "models/random_state.py": "torch's words: its generators by backend",
}
"""Where a device's name may be quoted outside of its file, and why."""


def test_devices_are_named_in_their_own_files_only() -> None:
    """What asks for a name instead of a trait would not know the next device."""
    sources = [path for package in ("bench", "models", "reports") for path in (ROOT / package).rglob("*.py")]
    named = {
        str(path.relative_to(ROOT))
        for path in sources
        if "bench/devices" not in str(path) and NAMED.search(path.read_text(encoding="utf-8"))
    }
    assert named == set(LEFT)
