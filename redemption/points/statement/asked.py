"""What is asked of the points statement: the filters in the address."""

from dataclasses import dataclass
from datetime import date
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import AccountManager, PartnersKind
from loyalty_portal.data.one_line import OneLineField
from loyalty_portal.data.tables import periods
from loyalty_portal.data.tables.spans import DAY, Span
from redemption.models import TransactionType

OWN = "own"
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2099, 12, 31)


@dataclass(frozen=True, slots=True)
class StatementAsked:
    """The statement that is asked for. `time` is a period (data/tables/periods.py) or OWN.

    `member` is a seat of the company, and `kind` a kind of movement; empty ones do not filter.
    """

    time: str
    label: str
    span: Span
    member: UUID | None
    kind: str

    @property
    def is_whole(self) -> bool:
        """Whether it has every movement of its time, so that balances can be told."""
        return not (self.member or self.kind)

    @property
    def query(self) -> str:
        """The parameters of an address that ask the same, also on a later day."""
        days = {"since": self.span.first.isoformat(), "until": self.span.last.isoformat()}
        by = {"by": str(self.member) if self.member else "", "kind": self.kind}
        given = {name: value for name, value in by.items() if value}
        return urlencode({"time": OWN, **days, **given})


class StatementForm(forms.Form):
    """Reads the filters. Every field may be missing; the time is then the current month."""

    time = OneLineField(required=False, max_length=10)
    since = forms.DateField(label=_("From"), required=False)
    until = forms.DateField(label=_("To, included"), required=False)
    by = forms.UUIDField(required=False)
    kind = OneLineField(required=False, max_length=20)

    def __init__(self, data: Any, *, seat: AccountManager) -> None:
        super().__init__(data, auto_id="points-%s")
        self.seat = seat
        for name in ("since", "until"):
            self.fields[name].widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")

    def clean_by(self) -> UUID | None:
        """Only of the own company: another's seat is as unknown as none."""
        member: UUID | None = self.cleaned_data["by"]
        seats = AccountManager.objects.filter(company=self.seat.company_id)
        return member if member and seats.filter(pk=member).exists() else None

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        for name in ("since", "until"):
            day = given.get(name)
            if day and not FIRST_DAY <= day <= LAST_DAY:
                self.add_error(name, ValidationError(gettext("Choose a day from 2000 to 2099.")))
        since, until = given.get("since"), given.get("until")
        if since and until and since > until:
            told = gettext("The first day is after the last one.")
            self.add_error("until", ValidationError(told))
        return given

    def asked(self) -> StatementAsked:
        """The statement to show; where days are wrong, that of the current month."""
        given = self.cleaned_data
        time, label, span = _time(given, is_valid=self.is_valid())
        kind = given.get("kind", "")
        return StatementAsked(time, label, span, given.get("by"), kind if kind in KINDS else "")


KINDS: dict[str, Any] = dict([*TransactionType.choices, *PartnersKind.choices])


def times() -> list[tuple[str, str]]:
    """The periods to choose from, the current month first."""
    months = [each for each in periods.on_offer() if each.until]
    latest = [each for each in periods.on_offer() if not each.until]
    return [(each.value, str(each.label)) for each in (*months, *latest)]


def _time(given: dict[str, Any], *, is_valid: bool) -> tuple[str, str, Span]:
    zone, today = timezone.get_current_timezone_name(), timezone.localdate()
    if given.get("time") == OWN and is_valid and (given.get("since") or given.get("until")):
        last = given.get("until") or today
        first = given.get("since") or last.replace(day=1)
        span = Span(min(first, last), last, zone)
        return OWN, span.told, span
    this_month = cast("periods.Period", periods.period(f"{today:%Y-%m}"))
    found = periods.period(given.get("time", "")) or this_month
    first = timezone.localdate(found.since)
    last = timezone.localdate(found.until) - DAY if found.until else today
    # Days that have not come yet say nothing.
    return found.value, str(found.label), Span(first, min(last, max(first, today)), zone)
