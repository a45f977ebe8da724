"""`manage.py first_administrator ada@meridian.example`: creates the first superuser."""

from argparse import ArgumentParser
from getpass import getpass

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.services import AdministratorExistsError, make_first_administrator, new_administrator
from loyalty_portal.audit.services import record_command


class Command(BaseCommand):
    """Creates the first superuser. It prompts for the password.

    The password is no argument, because arguments show in logs and process lists.
    """

    help = "Make the first person of the staff, who may do everything in /admin/."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="", help="such as 'Ada Byron'")
        parser.add_argument(
            "--by-letter",
            action="store_true",
            help="Ask for no password: the person chooses one by 'Forgotten your password?'.",
        )

    def handle(self, *_args: object, email: str, name: str, **options: object) -> None:
        try:
            person = new_administrator(email=email, name=name)
            password = None if options["by_letter"] else self._asked()
            with transaction.atomic():
                record_command("first_administrator")
                make_first_administrator(person, password=password)
        except AdministratorExistsError as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except (EOFError, KeyboardInterrupt):
            raise CommandError("No password was given; nobody was made.") from None
        how = "Sign in at /admin/."
        if password is None:
            how = "The letter of 'Forgotten your password?' at the sign-in lets them choose one."
        self.stdout.write(f"{person.email} may do everything in the admin portal. {how}")

    def _asked(self) -> str:
        password = getpass("Password: ")
        if getpass("The same again: ") != password:
            raise CommandError("These were two different passwords; nobody was made.")
        return password
