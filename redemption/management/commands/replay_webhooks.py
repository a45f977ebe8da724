"""`manage.py replay_webhooks`: sends what an endpoint missed again."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from loyalty_portal.audit.services import record_command
from loyalty_portal.data.actor import SYSTEM
from redemption.models import WebhookEndpoint
from redemption.webhooks_out.services import EndpointRefusedError, replay


class Command(BaseCommand):
    help = "Send again what a webhook endpoint missed, after a ping to it has arrived."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("endpoint", type=UUID, help="The endpoint's id.")
        parser.add_argument(
            "--since", type=_moment, required=True, help="A time such as 2026-11-27T08:00:00Z."
        )

    def handle(self, *args: Any, endpoint: UUID, since: datetime, **options: Any) -> None:  # noqa: ARG002
        record_command("replay_webhooks")
        try:
            number = replay(endpoint, since=since, by=SYSTEM)
        except WebhookEndpoint.DoesNotExist:
            raise CommandError("There is no such endpoint.") from None
        except EndpointRefusedError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{number} deliveries are due.")


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or timezone.is_naive(moment):
        raise CommandError(f"--since must be a time with its zone, not {text!r}.")
    return moment
