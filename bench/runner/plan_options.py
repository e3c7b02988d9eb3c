"""What a kept plan asks of its run beside the cases, and how the run's records describe this machine."""

from __future__ import annotations

from msgspec import structs

from bench.host import environment
from bench.runner.run_options import RunOptions
from bench.schema.kept_plan import KeptPlan
from bench.schema.record import Environment


def options_of(plan: KeptPlan) -> RunOptions:
    """What a kept plan asks for."""
    return RunOptions(
        gpu=plan.gpu,
        lock_clocks_mhz=plan.lock_clocks_mhz,
        step_digest=plan.step_digest,
        gpus_at_once=plan.gpus_at_once,
        node_name=plan.node_name,
    )


def described(options: RunOptions) -> Environment:
    """This machine as the records of such a run describe it."""
    found = environment.describe()
    return structs.replace(found, node=options.node_name or found.node, gpus_at_once=options.gpus_at_once)
