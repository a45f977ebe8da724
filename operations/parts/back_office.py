"""What the back office's half of the page shows: made-up rows, cards, charts and actions."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from django.db.models import TextChoices
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fulfillment.desk.badges import status_badge as fulfillment_badge
from fulfillment.models import Fulfillment
from fulfillment.states import CallStatus, FulfillmentStatus
from loyalty_portal.admin_site.base import badge
from loyalty_portal.admin_site.home import Chart, HomeCard, HomeLine, ShownList
from loyalty_portal.admin_site.verbs import Act
from loyalty_portal.data.tables.drawing import ShownTable, shown_table
from loyalty_portal.data.tables.tables import CellKind, ReportColumn, ReportRow, ReportTable
from loyalty_portal.jobs.admin import status_badge as job_badge
from loyalty_portal.jobs.models import Job
from loyalty_portal.jobs.states import JobStatus
from operations.parts.forms import BackOfficeForm, wrong
from operations.parts.people import buyer
from redemption.backoffice.badges import (
    incident_badge,
    line_badge,
    order_badge,
    run_badge,
    severity_badge,
    transaction_badge,
)
from redemption.models import (
    Incident,
    LoyaltyTransaction,
    OrderItem,
    Reconciliation,
    RedemptionOrder,
    RunOutcome,
)
from redemption.states import (
    DecisionStatus,
    IncidentStatus,
    LineStatus,
    OrderStatus,
    Severity,
    TransactionStatus,
)

_MADE_UP = {
    "product": "The Lighthouse Ledger",
    "sku": "BOOK-LIGHTHOUSE",
    "company": "Northwind Trading",
    "person": "Jonas Weber",
    "street": "Hafenstraße 12",
}
_NUMBERS = (12, 30, 21, 44, 9, 0, 38, 27, 51, 33, 18, 40, 47, 29)


def badges() -> Iterator[tuple[str, list[SafeString]]]:
    """Every badge of a status, by what has the status."""
    yield _("Orders"), [order_badge(RedemptionOrder(status=each)) for each in OrderStatus]
    order = RedemptionOrder(status=OrderStatus.CONFIRMED, account_manager=buyer())
    lines = (OrderItem(order=order, fulfillment_status=each) for each in LineStatus)
    yield _("Lines"), [line_badge(each) for each in lines]
    points = (LoyaltyTransaction(status=each) for each in TransactionStatus)
    yield _("Transactions"), [transaction_badge(each) for each in points]
    desk = (Fulfillment(status=each) for each in FulfillmentStatus)
    yield _("Desk"), [fulfillment_badge(each) for each in desk]
    incidents = (Incident(status=each) for each in IncidentStatus)
    yield _("Incidents"), [incident_badge(each) for each in incidents]
    severe = (Incident(severity=each, status=IncidentStatus.OPEN) for each in Severity)
    yield _("Severity"), [severity_badge(each) for each in severe]
    runs = (Reconciliation(outcome=each) for each in RunOutcome)
    yield _("Reconciliation"), [run_badge(each) for each in runs]
    yield _("Background work"), [job_badge(Job(status=each)) for each in JobStatus]
    yield _("Reason"), [badge("bad", _("Nobody approves their own order."), icon="flag")]


def words() -> list[tuple[str, type[TextChoices]]]:
    """Statuses that stand as words, without a badge."""
    return [(_("Decisions"), DecisionStatus), (_("Calls to partners"), CallStatus)]


def shown() -> dict[str, object]:
    """The context of the page, without its frame."""
    return {
        "badges": list(badges()),
        "words": words(),
        "made_up": _MADE_UP,
        **_board(),
        "plain": _act(BackOfficeForm(prefix="right")),
        "aside": _act(BackOfficeForm(prefix="aside")),
        "refused": _act(wrong(BackOfficeForm), tried=True),
        "report": _report(),
        "job": _job(),
        "job_state": job_badge(Job(status=JobStatus.RUNNING)),
        "pages": _pages(),
    }


def _board() -> dict[str, object]:
    here = reverse("parts:back_office")
    cards = [
        HomeCard(_("Desk"), _("Orders"), number, _("Nothing is here"), here, icon, tone)
        for number, icon, tone in (
            (12, "local_shipping", "live"),
            (3, "schedule", "warn"),
            (1, "flag", "bad"),
            (0, "task_alt", "bad"),
        )
    ]
    line = HomeLine(here, "R-LIGHT-HOUSE", "The Lighthouse Ledger", fulfillment_badge(_packed()))
    lists = [
        ShownList(_("Orders"), [line, line], _("Nothing waits for you."), more=4, href=here),
        ShownList(_("Incidents"), [], _("Nothing waits for you.")),
    ]
    today = timezone.localdate()
    days = [(today - timedelta(days=13 - ago), n) for ago, n in enumerate(_NUMBERS)]
    charts = [Chart.of(_("Orders"), _("orders"), days, here)]
    return {"groups": [(_("Desk"), cards)], "lists": lists, "charts": charts}


def _packed() -> Fulfillment:
    return Fulfillment(status=FulfillmentStatus.PACKED)


def _act(form: Any, *, tried: bool = False) -> Act:
    return Act(gettext_lazy("Save"), reverse("parts:back_office"), form, tried)


def _report() -> ShownTable:
    columns = [ReportColumn(_("Product"), CellKind.TEXT), ReportColumn(_("Points"))]
    rows = [ReportRow(["The Lighthouse Ledger", 44_850]), ReportRow(["Harbour Lamp", 12_400])]
    return shown_table(ReportTable("parts", _("Points"), columns, rows), {})


def _job() -> Job:
    now = timezone.now()
    return Job(
        status=JobStatus.RUNNING,
        done=12_000,
        total=40_000,
        created_at=now - timedelta(minutes=2),
        started_at=now - timedelta(minutes=1),
        problem=_("The file is not there any more."),
    )


def _pages() -> Any:
    """What the theme's list gives to the links to its pages."""
    here = reverse("parts:back_office")
    paginator = SimpleNamespace(
        is_long=True, first=here, previous=here, following=here, about=120_000
    )
    return SimpleNamespace(
        paginator=paginator, opts=SimpleNamespace(verbose_name_plural=_("orders"))
    )
