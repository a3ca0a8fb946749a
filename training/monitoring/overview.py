"""Everything at a glance, for the staff."""

from dataclasses import dataclass

from arena.access import require_staff
from training.monitoring.collecting import figures
from training.monitoring.figures import Process, SiteFigures
from training.monitoring.site import process
from training.monitoring.troubles import Trouble, troubles


@dataclass(frozen=True)
class Overview:
    """The figures with what is wrong about them."""

    figures: SiteFigures
    process: Process
    troubles: tuple[Trouble, ...]

    def of(self, where: str) -> tuple[Trouble, ...]:
        return tuple(one for one in self.troubles if one.where == where)


def site_overview(staff_id: int) -> Overview:
    """Raises NotAvailable for everybody who is not of the staff."""
    require_staff(staff_id)
    found = figures()
    return Overview(found, process(), troubles(found))
