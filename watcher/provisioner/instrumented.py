"""An autoscaler whose requests are counted, by what became of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policy.scaleup.demand import Demand
from watcher.provisioner.autoscaler_status import AutoscalerStatus
from watcher.provisioner.interface import Provisioner, Request

__all__ = ["InstrumentedProvisioner"]


@dataclass(frozen=True, slots=True)
class InstrumentedProvisioner:
    """An `Provisioner` around another one. `count` takes the policy's key and the outcome."""

    inner: Provisioner
    count: Callable[[str, str], None]

    def available(self) -> bool:
        """See `Provisioner`."""
        return self.inner.available()

    def status(self) -> AutoscalerStatus:
        """See `Provisioner`."""
        return self.inner.status()

    def requests(self) -> Sequence[Request]:
        """See `Provisioner`."""
        return self.inner.requests()

    def create(self, demands: Sequence[Demand], status: AutoscalerStatus) -> Sequence[str]:
        """See `Provisioner`."""
        names = self.inner.create(demands, status)
        for demand in demands:
            self.count(demand.policy.key, "asked")
        return names

    def scale(self, request: Request, places: int) -> None:
        """See `Provisioner`."""
        self.inner.scale(request, places)

    def mark_provisioned(self, request: Request) -> None:
        """See `Provisioner`."""
        self.inner.mark_provisioned(request)

    def delete(self, request: Request) -> None:
        """See `Provisioner`."""
        self.inner.delete(request)
        self.count(request.policy, request.phase)
