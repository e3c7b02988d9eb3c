"""What is expected of the scatter of processes where a run itself says little: the published prior.

The constants come from a simulated world that was drawn up after measurements on two shared cores: nine
cases (LeNet-5, AlexNet, VGG-11 and VGG-16 at batch 1 and 8), of which the processes' medians scattered by
0.4 to 4.7% where samples within a process scattered by 2.4 to 21%, and four published tables of other
two-core runs, in which processes scattered by 2.0 to 5.7% with 3 degrees of freedom.

Three quick runs of convbench on one busy machine (two cores of an AMD EPYC, torch 2.14.1, 57 cases, 400
processes, November 2026) gave, by `nox -s prior -- RUN...`, a level of 4.5%, a slope of 0.51 and 2.0
degrees of freedom: 1.6 `level_sd` above the published level. One machine does not say how machines
differ, and with its level the intervals of two processes would cover more than 98% on a quiet one, so
the constants stay. They are never changed by hand.
"""

from __future__ import annotations

import math

from msgspec import Struct


class Published(Struct, frozen=True):
    """The prior's own prior. Variances are of natural logs; sd is a standard deviation.

    centre    log of the variance within a process at which `level` holds
    level     log of the variance between processes expected there; level_sd: how machines differ in it
    slope     how that log grows with the log of the variance within; slope_sd: how machines differ in it
    freedom   degrees of freedom that the expectation is worth; freedom_sd: sd of the log of them
    """

    centre: float
    level: float
    level_sd: float
    slope: float
    slope_sd: float
    freedom: float
    freedom_sd: float


PUBLISHED = Published(
    centre=math.log(0.02**2),
    level=math.log(0.02**2),
    level_sd=1.0,
    slope=0.6,
    slope_sd=0.3,
    freedom=2.0,
    freedom_sd=0.4,
)
