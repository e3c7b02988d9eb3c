"""The examples for clusters and CI: they keep the format of the program that reads them, and what is in them
runs, with processes that answer at once."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("jsonschema")
pytest.importorskip("yaml")

import jsonschema
import yaml

from bench.schema.merged import MERGED, Merged
from bench.store import RECORDS, read_records
from tests.planted import instant_runs
from tests.planted.commands import ROOT
from tests.test_workflow import Workflow

KUBERNETES: Workflow = yaml.safe_load((ROOT / "examples" / "kubernetes-job.yaml").read_text(encoding="utf-8"))
CI: Workflow = yaml.safe_load((ROOT / "examples" / "ci-matrix.yml").read_text(encoding="utf-8"))
SUITE = """
name = "small"
replicates = 2

[[cases]]
model = "lenet5"
batch = [1, 2, 4]
device = "cpu"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a suite that is quickly planned, and the command."""
    instant_runs.put_on_path(tmp_path / "bin")
    (tmp_path / "small.toml").write_text(SUITE)
    return tmp_path


def ran(place: Path, words: list[str], environment: dict[str, str]) -> str:
    """What a script prints."""
    path = f"{place / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        words,
        cwd=place,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def merged(folder: Path) -> tuple[list[str], int]:
    """The shards of a merged folder, and its processes, each of which there is once."""
    found = msgspec.json.decode((folder / MERGED).read_bytes(), type=Merged)
    cases = [record.case for record in read_records(folder / RECORDS)]
    assert len(set(cases)) == len(cases)
    return [str(source.shard) for source in found.sources], len(cases)


def test_the_job_is_one_that_kubernetes_takes() -> None:
    """By the strict schema of its API, version 1.31: no field that there is not."""
    schema = json.loads((ROOT / "tests/fixtures/kubernetes/job.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(KUBERNETES)
    misspelt = {**KUBERNETES, "spec": {**KUBERNETES["spec"], "completion": 4}}
    with pytest.raises(jsonschema.ValidationError, match="'completion' was unexpected"):
        jsonschema.Draft202012Validator(schema).validate(misspelt)


def container() -> Any:
    (found,) = KUBERNETES["spec"]["template"]["spec"]["containers"]
    return found


def test_the_job_has_a_pod_for_each_shard_and_each_on_a_machine_of_its_own() -> None:
    spec = KUBERNETES["spec"]
    variables = {each["name"]: each.get("value") for each in container()["env"]}
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == int(variables["SHARDS"])
    (apart,) = spec["template"]["spec"]["affinity"]["podAntiAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert apart["labelSelector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["containerName"] == container()["name"]


@pytest.mark.slow
def test_the_pods_measure_a_plan_and_what_is_started_again_adds_nothing(place: Path) -> None:
    suite, runs = str(place / "small.toml"), str(place / "runs")
    given = {"SUITE": suite, "REPLICATES": "3", "SHARDS": "2", "RUNS": runs}
    for index in (0, 1, 1):
        variables = {**given, "JOB_COMPLETION_INDEX": str(index), "NODE_NAME": f"node{index}"}
        ran(place, [*container()["command"], *container()["args"]], variables)
    ran(place, ["convbench", "merge", "runs/smoke", "--out", "runs/smoke-merged"], {})
    assert merged(place / "runs" / "smoke-merged") == (["0/2", "1/2"], 9)


@pytest.mark.slow
def test_the_jobs_of_the_workflow_measure_a_plan_that_the_last_one_merges(place: Path) -> None:
    measure, merge = CI["jobs"]["measure"], CI["jobs"]["merge"]
    shards = measure["strategy"]["matrix"]["shard"]
    assert (merge["needs"], len(shards)) == ("measure", int(CI["env"]["SHARDS"]))
    (step,) = (step for step in measure["steps"] if step.get("name") == "Measure")
    assert step["env"] == {"SHARD": "${{ matrix.shard }}"}
    given = {**CI["env"], "SUITE": str(place / "small.toml"), "REPLICATES": "3"}
    for shard in shards:
        ran(place, ["bash", "-e", "-c", step["run"]], {**given, "SHARD": str(shard)})
    (step,) = (step for step in merge["steps"] if step.get("name") == "Merge")
    summary = place / "summary.md"
    ran(place, ["bash", "-e", "-c", step["run"]], {"GITHUB_STEP_SUMMARY": str(summary)})
    assert merged(place / "merged") == (["0/4", "1/4", "2/4", "3/4"], 9)
    assert "LeNet-5" in summary.read_text(encoding="utf-8")


def test_actions_are_pinned_and_nothing_from_outside_is_pasted_into_a_script() -> None:
    for job in CI["jobs"].values():
        assert job["timeout-minutes"] <= 120
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            assert "uses" not in step or len(step["uses"].partition("@")[2]) == 40
    assert CI["permissions"] == {"contents": "read"}
