"""Staff look at the endpoints of companies, switch one off and on, and have events sent again."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import PersonLetter
from redemption.models import WebhookDelivery
from redemption.webhooks_out.services import ping
from tests.loyalty_portal.partners.raw_partner import reply
from tests.redemption.webhooks_out.receiver import OK, Receiver, deliver, owner_of
from tests.redemption.world import World
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/redemption/webhookendpoint/"


def test_support_sees_what_was_tried_and_sends_what_was_missed_again(world: World) -> None:
    with Receiver(reply(410), OK).connect(world) as receiver:
        world.place((world.product(), 1))
        deliver()
        client = browser(staff("support"))
        address = f"{LIST}{receiver.endpoint.pk}/"
        found = client.get(LIST, {"state": "disabled"}).content.decode()
        assert receiver.endpoint.url in found
        page = client.get(f"{address}change/").content.decode()
        assert "answered 410" in page
        assert receiver.secret not in page
        assert "do/replay/" not in page  # a ping must arrive first
        since = (timezone.now() - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
        assert client.post(f"{address}do/replay/", {"since": since}).status_code == 422
        ping(receiver.endpoint.pk, by=owner_of(world))
        deliver()
        assert client.post(f"{address}do/replay/", {"since": since}).status_code == 303
        deliver()
    assert receiver.types == ["order.placed", "endpoint.ping", "order.placed"]


def test_support_switches_an_endpoint_off_and_on_and_the_owners_are_told(world: World) -> None:
    receiver = Receiver(OK).connect(world)
    client = browser(staff("support"))
    address = f"{LIST}{receiver.endpoint.pk}/"
    assert client.post(f"{address}do/disable/").status_code == 303
    assert receiver.now().disabled_why == "staff"
    assert PersonLetter.objects.filter(facts__change="staff").count() == 1
    assert client.post(f"{address}do/enable/").status_code == 303
    assert receiver.now().state == "active"
    auditor = browser(staff("auditor"))
    assert auditor.get(f"{address}change/").status_code == 200
    assert auditor.post(f"{address}do/disable/").status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403


def test_the_pages_need_few_queries_however_much_was_sent(world: World) -> None:
    receiver = Receiver(OK).connect(world)
    rows = [WebhookDelivery(endpoint=receiver.endpoint, tries=[_TRIED] * 8) for _ in range(60)]
    WebhookDelivery.objects.bulk_create(rows)
    client = browser(staff("support"))
    client.get(LIST)
    for address in (LIST, f"{LIST}{receiver.endpoint.pk}/change/"):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            client.get(address)
        assert len(asked) <= 12, [each["sql"] for each in asked]


_TRIED = {"at": "2026-11-27T08:00:00Z", "status_code": 500, "duration_ms": 12, "error": ""}
