"""Prometheus' own parser reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from reports.formats import prometheus
from reports.pages import run_report
from tests.planted import planted_records

parser = pytest.importorskip("prometheus_client.parser")


def test_its_own_parser_reads_it(tmp_path: Path) -> None:
    run = planted_records.write(tmp_path / "run", planted_records.example())
    families = {
        family.name: family
        for family in parser.text_string_to_metric_families(prometheus.render(run_report.build([run])))
    }
    assert {family.type for family in families.values()} == {"gauge"}
    (step,) = [
        sample
        for sample in families["convbench_time_seconds"].samples
        if (sample.labels["workload"], sample.labels["phase"]) == ("training", "step")
    ]
    assert step.value == pytest.approx(1, rel=0.01)
    assert (step.labels["model"], step.labels["batch"]) == ("vgg11", "8")
    series = [
        (each.name, *sorted(each.labels.items())) for family in families.values() for each in family.samples
    ]
    assert len(set(series)) == len(series)
    assert families["convbench_finished_timestamp_seconds"].samples[0].value == 1767225600


def test_odd_names_are_escaped(tmp_path: Path) -> None:
    odd = 'my "net"\\x\nend'
    (record,) = planted_records.replicates(Case(model="vgg11"), [0.1])
    renamed = structs.replace(record, case=structs.replace(record.case, model=odd))
    run = planted_records.write(tmp_path / "run", [renamed])
    families = parser.text_string_to_metric_families(prometheus.render(run_report.build([run])))
    assert {sample.labels["model"] for family in families for sample in family.samples if sample.labels} == {
        odd
    }
