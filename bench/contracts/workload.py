"""What a workload gives to the harness: the calls of one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bench.contracts.steps import Steps
from bench.schema.case import Case

if TYPE_CHECKING:
    from bench.contracts.engine import Engine
    from models.network import Network


class Workload(Protocol):
    """Torch-free to construct; `prepare` runs in a child."""

    name: str

    def prepare(self, network: Network, case: Case, engine: Engine, torch_device: str) -> Steps:
        """The steps for a network whose module lies on the device, in the case's weight dtype and layout.

        Called, like the steps themselves, inside `bench.tensors.case_context`.
        """
