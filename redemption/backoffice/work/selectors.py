"""Lists of work, the oldest first: incidents, and points that are unclear or due."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Now
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.leases import MOST_RAISED
from loyalty_portal.data.people import staff_who_may
from loyalty_portal.data.tables.places import Place
from redemption.models import Incident, LoyaltyTransaction
from redemption.models.points import UNCLEAR_OR_OPEN
from redemption.permissions import seen_incidents
from redemption.states import IncidentKind, TransactionStatus

PAGE_SIZE = 50
SHORT = 6  # choices that a filter shows at once
GRACE = timedelta(minutes=5)  # a row is overdue when nobody has worked it for so long

Row = TypeVar("Row", bound=Model)
Choices = Sequence[tuple[str, Promise | str]]

WHO: Choices = (
    ("", _("Everybody's")),
    ("mine", _("Mine")),
    ("nobody", _("Nobody's")),
)
WHEN: Choices = (("", _("To do now")), ("snoozed", _("Snoozed")))
PARTNERS: Choices = (
    ("", _("Any partner")),
    ("loyalty", _("Loyalty")),
    ("fulfillment", _("Fulfillment")),
    ("none", _("No partner")),
)
KINDS: Choices = (("", _("Any kind")), *IncidentKind.choices)
WHAT: Choices = (
    ("", _("Everything")),
    ("review", _("A person must decide")),
    ("unknown", _("No clear answer yet")),
    ("overdue", _("Overdue")),
)


class Choice(NamedTuple):
    """One value of a filter as a link."""

    label: str
    query: str
    chosen: bool


class Filter(NamedTuple):
    """One filter of a list. The first choice does not filter."""

    title: str
    choices: list[Choice]

    @property
    def is_long(self) -> bool:
        """Whether it has so many choices that it is folded."""
        return len(self.choices) > SHORT

    @property
    def is_chosen(self) -> bool:
        return any(choice.chosen for choice in self.choices[1:])


class KeysetPage(NamedTuple, Generic[Row]):
    """Some rows, and the query that leads to those after them, "" at the end."""

    rows: list[Row]
    following: str
    is_first: bool


def filters(given: Mapping[str, str], *named: tuple[str, Any, Choices]) -> list[Filter]:
    """The filters of a list, each with its parameter, title and choices. A choice keeps the other
    filters and begins at the first page.
    """
    kept = {name: given[name] for name, _title, choices in named if given.get(name)}
    return [
        Filter(
            str(title),
            [
                Choice(
                    str(label),
                    urlencode({key: each for key, each in {**kept, name: value}.items() if each}),
                    value == given.get(name, ""),
                )
                for value, label in choices
            ],
        )
        for name, title, choices in named
    ]


def page_of(rows: QuerySet[Row], given: Mapping[str, str], kept: Sequence[str]) -> KeysetPage[Row]:
    """The page of `rows`, by their creation, that begins after the row that `after` names. An
    invalid `after` is the first page.
    """
    after = Place.read(given.get("after", ""))
    if after:
        rows = rows.filter(after.later("created_at"))
    found: list[Any] = list(rows.order_by("created_at", "pk")[: PAGE_SIZE + 1])
    following = ""
    if len(found) > PAGE_SIZE:
        last = found[PAGE_SIZE - 1]
        chosen = {name: given[name] for name in kept if given.get(name)}
        following = urlencode({**chosen, "after": str(Place(last.created_at, last.pk))})
    return KeysetPage(found[:PAGE_SIZE], following, after is None)


# --- Incidents -----------------------------------------------------------------------------------

_POINTS = Q(transaction__isnull=False) | Q(kind=IncidentKind.RECONCILIATION)
_LOYALTY = _POINTS | Q(facts__partner="loyalty")
_DELIVERIES = Q(facts__has_key="line") | Q(kind=IncidentKind.PUZZLING_CALLBACK)
_FULFILLMENT = _DELIVERIES | Q(facts__partner="fulfillment")
_BY_PARTNER = {
    "loyalty": _LOYALTY,
    "fulfillment": _FULFILLMENT,
    "none": Q(transaction=None)
    & ~Q(kind__in=[IncidentKind.RECONCILIATION, IncidentKind.PUZZLING_CALLBACK])
    & ~Q(facts__has_any_keys=["partner", "line"]),
}


def incidents_to_do(actor: Actor, given: Mapping[str, str]) -> QuerySet[Incident]:
    """The unresolved incidents that the actor may see, by the filters of the list. A filter's value
    that is not known does not filter.
    """
    every = Incident.objects.unresolved()
    snoozed = given.get("when") == "snoozed"
    rows = seen_incidents(
        actor, every.filter(snoozed_until__gt=Now()) if snoozed else every.awake()
    )
    if given.get("who") == "mine":
        rows = rows.filter(acknowledged_by=actor.user_id)
    elif given.get("who") == "nobody":
        rows = rows.filter(acknowledged_by=None)
    if given.get("kind") in IncidentKind.values:
        rows = rows.filter(kind=given["kind"])
    if given.get("partner") in _BY_PARTNER:
        rows = rows.filter(_BY_PARTNER[given["partner"]])
    return rows.select_related("order", "company", "acknowledged_by")


def who_may_handle() -> QuerySet[User]:
    """The staff who may look after an incident, by name."""
    return staff_who_may("redemption.handle_incident")


# --- Points --------------------------------------------------------------------------------------

_OPEN = (TransactionStatus.INTENDED, TransactionStatus.SENT)
_REVIEW = Q(status=TransactionStatus.NEEDS_REVIEW) | Q(
    ~Q(doubt=""), status=TransactionStatus.SUCCEEDED, next_attempt_at=None
)
_UNKNOWN = Q(status=TransactionStatus.UNKNOWN) | Q(
    ~Q(doubt=""), status=TransactionStatus.SUCCEEDED, next_attempt_at__isnull=False
)
_OVERDUE = Q(status__in=_OPEN) & (
    Q(next_attempt_at__lt=Now() - GRACE) | Q(next_attempt_at=None, raised__gte=MOST_RAISED)
)
_BY_STATE = {"review": _REVIEW, "unknown": _UNKNOWN, "overdue": _OVERDUE}


def points_to_see_to(given: Mapping[str, str]) -> QuerySet[LoyaltyTransaction]:
    """The transactions without a clear outcome, and those that should have been tried before."""
    wanted = _BY_STATE.get(given.get("what", ""), _REVIEW | _UNKNOWN | _OVERDUE)
    rows = LoyaltyTransaction.objects.filter(UNCLEAR_OR_OPEN).filter(wanted)
    return rows.select_related("order", "company")
