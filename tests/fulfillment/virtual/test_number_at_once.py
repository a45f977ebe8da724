"""Two false answers at the same moment give two lines one number of the partner."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.utils import timezone

from fulfillment.models import Fulfillment
from fulfillment.partner import Report, ReportStatus
from fulfillment.virtual.saga import recorded
from fulfillment.virtual.services import hear_answer, locked
from redemption.models import Incident, RedemptionOrder
from redemption.states import IncidentKind
from tests.redemption.saga.test_races import while_somebody
from tests.redemption.saga.test_virtual_news import debited
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)
NUMBER = "ful_of_one_of_them"
BUILD = (
    "CREATE UNIQUE INDEX partners_fulfillment_once ON fulfillment_fulfillment (partner_id)"
    " WHERE NOT (partner_id = '')"
)


@contextmanager
def unguarded() -> Iterator[None]:
    """Negative control, the guard taken away."""
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX partners_fulfillment_once")
        try:
            yield
        finally:
            Fulfillment.objects.update(partner_id="")
            cursor.execute(BUILD)


def hear(world: World, order: RedemptionOrder) -> None:
    card = world.fulfillment(order).pk
    report = Report(NUMBER, str(card), ReportStatus.ACCEPTED, timezone.now(), None, ())

    def record() -> None:
        with transaction.atomic():
            hear_answer(held=locked(card, report), report=report)

    recorded(record)


def heard_at_once(world: World) -> tuple[Fulfillment, Fulfillment]:
    """Process both answers, the second while the first is not committed yet."""
    one, other = debited(world), debited(world)
    with while_somebody(lambda: hear(world, one)):
        hear(world, other)
        with transaction.atomic():  # without the guard nobody waits before
            Fulfillment.objects.select_for_update().get(pk=world.fulfillment(one).pk)
    return world.fulfillment(one), world.fulfillment(other)


def test_one_line_gets_the_number_and_a_person_hears_of_the_other(world: World) -> None:
    one, other = heard_at_once(world)
    assert (one.partner_id, other.partner_id) == (NUMBER, "")
    incident = Incident.objects.get()
    assert incident.kind == IncidentKind.MISMATCH
    assert "the fulfillment of another line" in incident.what
    assert incident.order
    assert incident.order.order_number == other.label


def test_without_the_guard_both_lines_get_it(world: World) -> None:
    with unguarded():
        one, other = heard_at_once(world)
        assert one.partner_id == other.partner_id == NUMBER
