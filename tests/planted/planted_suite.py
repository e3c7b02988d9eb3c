"""The quick suite on a CPU as a run of it leaves it: every case of its plan, with all that a report shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import structs

from bench.plan import ceiling_cases, expand, named_suites
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.phases import Phase
from bench.schema.record import Measurement, Record
from tests.planted import planted_records
from tests.planted.planted_ceilings import ceilings

MIB = 2**20
WOBBLE = (0.99, 1.0, 1.01)


def quick(processes: int = 3, *, contended: bool = True) -> list[Record]:
    """Records of so many processes of each case."""
    suite = named_suites.find("quick", "cpu")
    cases = list(dict.fromkeys(case.without_replicate() for case in expand.cases(suite, {}, 2)))
    cases += [case.without_replicate() for case in ceiling_cases.needed(cases)]
    return [record for at, case in enumerate(cases) for record in _records(case, at, processes, contended)]


def _records(case: Case, at: int, processes: int, contended: bool) -> Iterator[Record]:
    for number in range(1, processes + 1):
        once = structs.replace(case, replicate=number)
        if case.workload == "ceiling":
            peak = ceilings(precision=case.precision, threads=case.threads)  # 100 GFLOP/s
            yield structs.replace(peak, case=once)
            continue
        seconds = 0.01 * (at + 1) * WOBBLE[number % len(WOBBLE)]
        warnings = [CaseWarning("contended")] if contended and at % 2 else []
        yield planted_records.record(once, *_measured(case, seconds), warnings=warnings)


def _measured(case: Case, seconds: float) -> Sequence[Measurement]:
    whole: Phase = "forward" if case.workload == "inference" else "step"
    parts: dict[Phase, float] = {"forward": 0.3, "backward": 0.6, "optimizer": 0.1, "step": 1.0}
    phases = {whole: 1.0} if case.workload == "inference" else parts
    counted: tuple[Phase, ...] = ("forward",) if case.workload == "inference" else ("forward", "backward")
    moving: tuple[Phase, ...] = counted if case.workload == "inference" else (*counted, "optimizer")
    fact = planted_records.fact
    compiled = [] if case.engine == "eager" else [fact("model", "compile_cold", 14.0, "s")]
    return [
        *(planted_records.time(phase, share * seconds) for phase, share in phases.items()),
        *(fact(phase, "flops", 3e10 * seconds, "FLOP") for phase in counted),
        *(fact(phase, "bytes_moved", 1e6) for phase in moving),
        fact("model", "weights", 500 * MIB),
        fact(whole, "peak_resident", 700 * MIB),
        fact(whole, "ledger_weights", 500 * MIB),
        fact(whole, "ledger_peak", 600 * MIB),
        *compiled,
    ]
