"""Changes what owners may change of their company, and who gets copies of its letters.

Each change enters the trail and is told to all owners by letter, in the same transaction. The
caller sends the letters on their way (accounts/tasks.py: send_letters_of).
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import COPIED, AccountManager, Company, CopyTo, LetterCopy, PersonLetterKind
from accounts.permissions import may_change_rules
from accounts.seats import letters
from accounts.seats.services import as_now, owners_held
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor

# Columns of a company that its owners change.
OWN = ("approval_threshold", "sender_name", "time_zone", "language", "text_messages")
# And those whose changes are told, whoever made them (limits.py writes the budget for owners).
TOLD = (*OWN, "quarterly_budget")
# Who gets copies: addresses of mailboxes by topic and kind ("" for people of the company).
Copies = Mapping[tuple[str, str], str]


class RulesRefusedError(Exception):
    """The rules may not be changed so. The message says why."""


def change_rules(*, company: Company, changes: Mapping[str, Any], by: Actor) -> bool:
    """Write these columns (OWN) of the company. Returns whether anything is different now.

    Raises RulesRefusedError when the actor may not.
    """
    with transaction.atomic():
        _held(company, by)
        held = Company.objects.get(pk=company.pk)
        before = {name: getattr(held, name) for name in OWN if name in changes}
        changed = [name for name, value in before.items() if value != changes[name]]
        for name in changed:
            setattr(held, name, changes[name])
        if changed:
            held.save(update_fields=[*changed, "updated_at"])
            tell_rules(company=held, before={name: before[name] for name in changed}, by=by)
    for name in changed:
        setattr(company, name, changes[name])
    return bool(changed)


def tell_rules(*, company: Company, before: Mapping[str, Any], by: Actor) -> None:
    """Write into the trail and to all owners that these columns had other values before.

    To be called in the transaction of the change; the company has its new values.
    """
    changes = [
        {"what": name, "before": value, "after": getattr(company, name)}
        for name, value in before.items()
    ]
    if changes:
        _tell(company, changes, by=by)


def tell_limit(
    *,
    company: Company,
    seat: AccountManager | None,
    before: int | None,
    after: int | None,
    by: Actor,
) -> None:
    """Write to all owners that the limit of a seat, or without one the company's budget, was
    changed. To be called in the transaction of the change, which writes the trail.
    """
    what = "monthly_limit" if seat else "quarterly_budget"
    person = str(seat.user) if seat else ""
    change = {"what": what, "before": before, "after": after, "person": person}
    _write([change], company=company, by=by)


def copies_of(company: Company) -> dict[tuple[str, str], str]:
    """Who gets copies of the company's letters: addresses by topic and kind."""
    rows = LetterCopy.objects.filter(company=company)
    return {(row.topic, row.to): row.email for row in rows}


def change_copies(*, company: Company, copies: Copies, by: Actor) -> bool:
    """Say who gets copies of letters about orders. Returns whether anything is different now.

    Raises RulesRefusedError when the actor may not.
    """
    with transaction.atomic():
        _held(company, by)
        before = copies_of(company)
        if before == dict(copies):
            return False
        company.letter_copies.all().delete()
        LetterCopy.objects.bulk_create(
            LetterCopy(company=company, topic=topic, to=to, email=email)
            for (topic, to), email in copies.items()
        )
        changes = [
            {"what": "copies", "topic": topic, "after": _told(copies, topic)}
            for topic in COPIED
            if _told(before, topic) != _told(copies, topic)
        ]
        _tell(company, changes, by=by)
    return True


def _told(copies: Copies, topic: str) -> list[str]:
    """Who gets the copies of a topic: kinds, or an address."""
    return [copies[topic, to] or str(to) for to in CopyTo.values if (topic, to) in copies]


def _held(company: Company, by: Actor) -> None:
    owners_held(company.pk)
    if not may_change_rules(as_now(by), company):
        raise RulesRefusedError(_("You have no permission for this."))


def _tell(company: Company, changes: list[dict[str, Any]], *, by: Actor) -> None:
    # The trail keeps nothing personal: that the copies go elsewhere, and not to which address.
    kept = [{**each, "after": ""} if each["what"] == "copies" else each for each in changes]
    record(TrailKind.COMPANY_RULES, by=by, about=company, facts={"changes": kept})
    _write(changes, company=company, by=by)


def _write(changes: list[dict[str, Any]], *, company: Company, by: Actor) -> None:
    letters.write_news(
        PersonLetterKind.RULES,
        company_id=company.pk,
        to={person.email for person in owners_held(company.pk)},
        facts={"changes": changes, "by": str(by.user_id or "")},
    )
