"""`manage.py demo_code`: prints the code of the demo's authenticator app."""

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.access.factors.codes import code_now
from operations.demo.people import APP_SECRET


class Command(BaseCommand):
    help = "Print the code with which the demo's staff take the second step of their sign-in."
    requires_system_checks = []

    def handle(self, *_args: object, **_options: object) -> None:
        if not settings.DEBUG:
            raise CommandError("Only the demo's staff have an app with a public secret (DEBUG).")
        self.stdout.write(code_now(APP_SECRET))
