"""`manage.py staff_groups`: creates or repairs the staff groups. Run it after each `migrate`."""

from django.core.management.base import BaseCommand, CommandError

from accounts.services import ensure_staff_groups
from loyalty_portal.audit.services import record_command
from loyalty_portal.data.actor import SYSTEM
from loyalty_portal.data.history import changed_by


class Command(BaseCommand):
    """Sets the permissions of each group to those of this version. Members stay; repeating
    is safe.
    """

    help = "Make the staff groups, each with its permissions; safe to repeat."

    def handle(self, *args: object, **options: object) -> None:  # noqa: ARG002 - Django's own
        try:
            with changed_by(SYSTEM, "staff_groups"):
                record_command("staff_groups")
                groups = ensure_staff_groups()
        except LookupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Staff groups: {', '.join(groups)}.")
