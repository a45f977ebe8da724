"""Changes a company's address book. Orders that were sent to an entry keep what they had."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Address, Company
from loyalty_portal.data.recipient import FIELDS
from loyalty_portal.data.texts.numbers import grouped
from redemption.checkout.book.selectors import entries_of
from redemption.checkout.selectors import MOST_ADDRESSES
from redemption.saga.steps import RedemptionError


def must_have_room(company: Company, *, more: int = 1) -> None:
    """Raise RedemptionError unless so many more entries fit into the book."""
    if entries_of(company).count() + more > MOST_ADDRESSES:
        told = _("The address book holds %(most)s addresses. Remove some first.")
        raise RedemptionError(told % {"most": grouped(MOST_ADDRESSES)})


def merge(*, company: Company, keep: UUID, others: Sequence[UUID]) -> Address:
    """Make one entry of several: `keep` stays, and gets from the others what it lacks.

    Raises RedemptionError when one of them is gone meanwhile.
    """
    keys = {keep, *others}
    with transaction.atomic():
        rows = entries_of(company).filter(pk__in=keys).select_for_update(no_key=True)
        held = {row.pk: row for row in rows.order_by("pk")}
        if held.keys() != keys or len(keys) < 2:
            raise RedemptionError(_("One of these entries is gone. Look at those that are left."))
        kept = held.pop(keep)
        for name in FIELDS:
            values = (getattr(row, name) for row in held.values())
            if not getattr(kept, name) and not _is_of_a_street(name):
                setattr(kept, name, next(filter(None, values), ""))
        if not kept.address_line1:
            _take_street(kept, list(held.values()))
        kept.save(update_fields=FIELDS)
        entries_of(company).filter(pk__in=list(held)).delete()
    return kept


def add_new(*, company: Company, recipients: Sequence[Mapping[str, str]]) -> int:
    """Keep these recipients in the book, each once; those that it has already are left out.

    Returns how many were new. Raises RedemptionError when they do not fit.
    """
    with transaction.atomic():
        list(Company.objects.select_for_update(no_key=True).filter(pk=company.pk))
        known = {tuple(row) for row in entries_of(company).values_list(*FIELDS)}
        wanted = {tuple(each[name] for name in FIELDS): each for each in recipients}
        new = [each for key, each in wanted.items() if key not in known]
        must_have_room(company, more=len(new))
        Address.objects.bulk_create(Address(company=company, **each) for each in new)
    return len(new)


def _is_of_a_street(name: str) -> bool:
    """Whether the column is a part of a postal address, which is taken as a whole or not at all."""
    return name in {"address_line1", "address_line2", "city", "region", "postcode", "country"}


def _take_street(kept: Address, others: Sequence[Address]) -> None:
    for other in others:
        if other.address_line1:
            for name in FIELDS:
                if _is_of_a_street(name):
                    setattr(kept, name, getattr(other, name))
            return
