"""Both sides of a comparison with one prior: what all their cases show of how processes differ.

Sides that the same machine measured lend to each other, whatever else differs between them: a version, a
commit. Machines differ in how much their processes scatter, so cases of two machines do not; a comparison
then counts what its two priors are worth once all the same, and the smaller of the two, as if both sides had
borrowed from one. That is the safe side: what the two share, the published prior, is not counted twice.
"""

from __future__ import annotations

from msgspec import structs

from reports.summary.environments import hardware
from reports.summary.figures import Summary
from reports.summary.moderated_figures import moderated


def with_one_prior(base: Summary, new: Summary) -> tuple[Summary, Summary]:
    """The sides, with the intervals and variances that the cases of both lead to."""
    sides = base, new
    machines = {
        id(figure): hardware(figure.machine, figure.case.device, side.environments) or (at,)
        for at, side in enumerate(sides)
        for figure in side.figures
    }
    found = moderated((*base.figures, *new.figures), lambda figure: machines[id(figure)])
    split = len(base.figures)
    return (
        structs.replace(base, figures=tuple(found[:split])),
        structs.replace(new, figures=tuple(found[split:])),
    )


def same_machine(base: Summary, new: Summary) -> bool:
    """Whether the same hardware measured all that both sides timed."""
    found = {
        (figure.case.device, hardware(figure.machine, figure.case.device, side.environments))
        for side in (base, new)
        for figure in side.figures
        if figure.scatter is not None
    }
    return len(found) == len({device for device, _ in found}) and all(known for _, known in found)
