"""A site's regression tests by ReFrame 4 (`pip install reframe-hpc`), which keeps what convbench finds.

    reframe -c examples/reframe_convbench.py -n ConvbenchRun -r
    reframe -c examples/reframe_convbench.py -n ConvbenchFleet -S nodes='node[1-8]' -r

`-S` sets a variable of a test: `-S convbench='apptainer exec --nv convbench.sif convbench'`. ConvbenchRun
measures the node on which ReFrame runs it. ConvbenchFleet runs where ReFrame does: convbench submits a job
for each node.
"""

import json
import math
from pathlib import Path

import reframe as rfm
import reframe.utility.sanity as sn

CLOCKS = ("device_time", "wall_time")
WHOLE_STEP = ("forward", "step")


class Convbench(rfm.RunOnlyRegressionTest):
    """Runs commands one after the other and reads the JSON of the last one."""

    valid_systems = ["*"]  # noqa: RUF012
    valid_prog_environs = ["*"]  # noqa: RUF012
    convbench = variable(str, value="convbench")  # noqa: F821 - ReFrame defines it inside a test
    time_limit = "2h"

    def will_run(self, *commands):
        """The last one writes report.json; the exit code of each is written to standard output."""
        self.executable, self.executable_opts = "true", []
        *first, last = (f"{self.convbench} {command}" for command in commands)
        lines = [*first, f"{last} --format json -o report.json"]
        self.postrun_cmds = [part for line in lines for part in (line, 'echo "exit code $?"')]
        self.keep_files = ["report.json"]

    def report(self):
        """Only once the commands have run."""
        return json.loads((Path(self.stagedir) / "report.json").read_text())

    def exit_codes(self):
        return sn.extractall(r"^exit code (\d+)$", self.stdout, 1, int)

    def keep(self, figures, unit):
        """Performance variables, which `reference` may bound and `reframe --performance-report` shows."""
        self.perf_variables = {
            name: sn.make_performance_function(sn.defer(value), unit) for name, value in figures.items()
        }


@rfm.simple_test
class ConvbenchRun(Convbench):
    """The time of each network's step on one node, in ms."""

    descr = "times of networks by convbench run"
    arguments = variable(str, value="--suite smoke")  # noqa: F821

    @run_before("run")  # noqa: F821
    def set_commands(self):
        self.will_run(f"run {self.arguments} --out run", "report run")

    @sanity_function  # noqa: F821
    def every_case_ended_well(self):
        rows = sn.defer(self.report()["rows"])
        return sn.all([sn.assert_eq(sn.max(self.exit_codes()), 0), sn.assert_gt(sn.len(rows), 0)])

    @run_before("performance")  # noqa: F821
    def set_figures(self):
        figures = {}
        for row in self.report()["rows"]:
            if row["metric"] in CLOCKS and row["phase"] in WHOLE_STEP and row["median"] is not None:
                name = "_".join(
                    str(row[axis]) for axis in ("model", "workload", "precision", "engine", "batch")
                )
                if name not in figures or row["metric"] == CLOCKS[0]:
                    figures[name] = 1e3 * row["median"]
        self.keep(figures, "ms")


@rfm.simple_test
class ConvbenchFleet(Convbench):
    """How much slower than the fleet's centre each GPU is, in %: none is confirmed to be slow."""

    descr = "slow GPUs by convbench fleet"
    local = True  # convbench submits the jobs
    nodes = variable(str, value="")  # noqa: F821
    executor = variable(str, value="slurm")  # noqa: F821
    arguments = variable(str, value="--suite smoke")  # noqa: F821

    @run_before("run")  # noqa: F821
    def set_commands(self):
        chosen = f"--nodes '{self.nodes}' " if self.nodes else ""
        self.will_run(
            f"fleet run --executor {self.executor} {chosen}{self.arguments} --out fleet",
            "fleet confirm fleet",
            "fleet report fleet",
        )

    @sanity_function  # noqa: F821
    def no_unit_is_slow_or_missing(self):
        bad = [
            f"{row['node']} {row['uuid']}: {row['state']}, {row['cause']}"
            for row in self.report()["rows"]
            if row["state"] in ("slow", "missing")
        ]
        return sn.all([sn.assert_eq(bad, []), sn.assert_eq(sn.max(self.exit_codes()), 0)])

    @run_before("performance")  # noqa: F821
    def set_figures(self):
        rows = [row for row in self.report()["rows"] if row.get("ratio")]
        named = {row["uuid"]: 100 * (row["ratio"] - 1) for row in rows}
        self.keep({name: value for name, value in named.items() if math.isfinite(value)}, "%")
