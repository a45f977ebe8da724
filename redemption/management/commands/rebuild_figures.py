"""`manage.py rebuild_figures`: counts the figures of all reports anew."""

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand

from loyalty_portal.audit.services import record_command
from redemption.analytics.services import rebuild_figures


class Command(BaseCommand):
    help = (
        "Count the figures of all reports anew, day by day. Orders may go on meanwhile; stopped, "
        "it can be started again. Needed once on data that is older than the reports."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        record_command("rebuild_figures")
        days = rebuild_figures(told=self._tell)
        self.stdout.write(f"{days} days counted.")

    def _tell(self, day: datetime) -> None:
        if day.day == 1:
            self.stdout.write(f"{day:%Y-%m} …")
