"""Sets up staff groups and the first administrator, refreshes a company's balance, and keeps which
letters a person wants.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta

from django.contrib.auth.models import Group, Permission
from django.contrib.auth.password_validation import validate_password
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import loyalty
from accounts.models import Company, KnownBalance, LetterOff, TextsTo, User
from loyalty_portal.data.shapes import shape_of
from loyalty_portal.partners.client import PartnerRefusedError, PartnerUnavailableError

logger = logging.getLogger(__name__)

# Permissions are strings such as room.codename: this room must not import those above it.
_CATALOGUE = ("catalog.product", "catalog.category", "catalog.family", "catalog.synonym")
_STOCK = (
    "inventory.inventory",
    "inventory.stockmovement",
    "inventory.reservation",
    "inventory.stockdocument",
    "inventory.lowstockrule",
)
_DESK = ("fulfillment.fulfillment", "fulfillment.shipment")
_COMPANIES = (
    "accounts.company",
    "accounts.accountmanager",
    "accounts.user",
    "accounts.address",
    "accounts.invitation",
    "accounts.personletter",
    "accounts.apikey",
)
_ORDERS = (
    "redemption.redemptionorder",
    "redemption.orderitem",
    "redemption.lineunits",
    "redemption.loyaltytransaction",
)
_INCIDENTS = ("redemption.incident",)
_POST = ("redemption.letter", "redemption.callback")
_RECONCILIATIONS = ("redemption.reconciliation",)
_ENDPOINTS = ("redemption.webhookendpoint",)
_NOTES = ("redemption.ordernote",)


def _may(actions: str, models: Iterable[str]) -> set[str]:
    """Permission names such as `inventory.view_reservation` for each action and model.

    `actions` are separated by spaces.
    """
    pairs = (model.split(".") for model in models)
    return {f"{room}.{action}_{name}" for room, name in pairs for action in actions.split()}


STAFF_GROUPS: Mapping[str, frozenset[str]] = {
    "catalogue": frozenset(
        _may("view add change", _CATALOGUE)
        | {"catalog.delete_category", "catalog.delete_family", "inventory.view_inventory"}
        | {"catalog.bulk_edit", "catalog.import_products", "catalog.export_products"}
    ),
    "warehouse": frozenset(
        _may("view", [*_STOCK, *_DESK, *_INCIDENTS, "catalog.product"])
        | {
            "inventory.add_inventory",
            "inventory.change_inventory",
            "inventory.move_stock",
            "inventory.add_lowstockrule",
            "inventory.change_lowstockrule",
            "fulfillment.work_desk",
            "fulfillment.take_over_work",
            "fulfillment.assign_work",
            "fulfillment.correct_recipient",
        }
    ),
    "fulfillment": frozenset(
        _may("view", [*_DESK, "inventory.inventory"])
        | {
            "fulfillment.work_desk",
            "fulfillment.take_over_work",
            "fulfillment.assign_work",
            "fulfillment.correct_recipient",
        }
    ),
    "finance": frozenset(
        _may("view", [*_ORDERS, *_INCIDENTS, *_RECONCILIATIONS, "accounts.company"])
        | _may("view add", _NOTES)
        | {
            "redemption.handle_incident",
            "redemption.decide_transaction",
            "redemption.decide_delivery",
            "redemption.credit_units",
            "redemption.decide_credit",
            "redemption.run_reconciliation",
            "redemption.view_reports",
        }
    ),
    "support": frozenset(
        _may("view", [*_ORDERS, *_INCIDENTS, *_POST, *_DESK, *_COMPANIES, "catalog.product"])
        | _may("view add", _NOTES)
        | _may("view disable replay", _ENDPOINTS)
        | {
            "accounts.switch_seats",
            "accounts.revoke_apikey",
            "accounts.send_reset",
            "accounts.remove_factors",
            "redemption.retry_order",
            "redemption.cancel_order",
            "redemption.handle_incident",
            "redemption.resend_codes",
            "fulfillment.correct_recipient",
            "redemption.answer_question",
            "redemption.send_letter_again",
            "redemption.credit_units",
            "redemption.order_for_company",
            "accounts.see_as",
        }
    ),
    "administrator": frozenset(
        _may("view", [*_COMPANIES, "auth.group"])
        | _may("view disable replay", _ENDPOINTS)
        | _may("add change", ["accounts.user", "accounts.company", "accounts.accountmanager"])
        | {"accounts.manage_staff", "accounts.switch_seats", "accounts.send_reset"}
        | {"accounts.remove_factors"}
        | {"accounts.revoke_apikey"}
        | {"accounts.see_as", "redemption.view_reports"}
        | {"redemption.order_for_company", "redemption.view_redemptionorder"}
    ),
    "auditor": frozenset(
        _may("view", [*_CATALOGUE, *_STOCK, *_DESK, *_COMPANIES, *_ORDERS, *_INCIDENTS])
        | {"audit.view_trailentry", "audit.view_personal_data"}
        | _may("view", [*_POST, *_RECONCILIATIONS, *_NOTES, *_ENDPOINTS, "auth.group", "jobs.job"])
        | {"redemption.view_reports"}
    ),
}


@transaction.atomic
def ensure_staff_groups() -> dict[str, Group]:
    """Make the staff groups, each with exactly its permissions; returns them by name.

    To be called after `migrate`, as often as one likes. Raises LookupError when a permission
    does not exist, which means that the migrations have not run.
    """
    found = _permissions(frozenset().union(*STAFF_GROUPS.values()))
    groups = {}
    for name, wanted in STAFF_GROUPS.items():
        groups[name], _created = Group.objects.get_or_create(name=name)
        groups[name].permissions.set([found[permission] for permission in wanted])
    return groups


def _permissions(names: frozenset[str]) -> dict[str, Permission]:
    wanted = Q()
    for name in names:
        room, codename = name.split(".")
        wanted |= Q(content_type__app_label=room, codename=codename)
    rows = Permission.objects.filter(wanted).select_related("content_type")
    found = {f"{row.content_type.app_label}.{row.codename}": row for row in rows}
    if missing := names - found.keys():
        raise LookupError(f"No such permissions; has `migrate` run? {', '.join(sorted(missing))}")
    return found


# --- The first administrator -----------------------------------------------------------------


class AdministratorExistsError(Exception):
    """There is an administrator already. The message says who can add others."""


def new_administrator(*, email: str, name: str) -> User:
    """Build and check the first administrator, without saving.

    Raises AdministratorExistsError, or ValidationError when the address is invalid or taken.
    """
    if User.objects.filter(is_superuser=True, is_active=True).exists():
        raise AdministratorExistsError(
            "There is an administrator already, who makes others in the admin portal, under Users."
        )
    person = User(email=email.strip().lower(), name=name, is_staff=True, is_superuser=True)
    person.full_clean(exclude=["password"])
    return person


def make_first_administrator(person: User, *, password: str | None) -> None:
    """Save the first administrator. Without a password they choose one with a reset letter.

    Raises ValidationError when the password is too weak.
    """
    if password is not None:
        validate_password(password, person)
    person.set_password(password)
    person.save()


# --- Letters -----------------------------------------------------------------------------------


@transaction.atomic
def choose_letters(*, person: User, on: Collection[str], offered: Collection[str]) -> None:
    """Have the person get letters about these of the topics that were offered to them, and none
    about the others. Topics that were not offered stay as they are.
    """
    off = [topic for topic in offered if topic not in on]
    person.letters_off.filter(topic__in=[topic for topic in offered if topic in on]).delete()
    LetterOff.objects.bulk_create(
        [LetterOff(user=person, topic=topic) for topic in off], ignore_conflicts=True
    )


def choose_texts(*, person: User, number: str, topics: Collection[str]) -> None:
    """Have the person get text messages about these topics at this number; "": none at all."""
    if not number:
        TextsTo.objects.filter(user=person).delete()
        return
    chosen = {"number": number, "topics": sorted(topics)}
    TextsTo.objects.update_or_create(user=person, defaults=chosen)


# --- The balance -----------------------------------------------------------------------------

FRESH_SECONDS = 10.0  # a balance counts as current, or a failed partner is not asked, for so long
_PAUSE = timedelta(seconds=FRESH_SECONDS)
PATIENCE = 4.0  # how many seconds the header's own request waits; pages never wait


def known_balance(company: Company) -> KnownBalance | None:
    """The last known balance, as loaded with the company. Makes no query and no call."""
    return getattr(company, "known_balance", None)


def refresh_balance(*, company: Company) -> KnownBalance | None:
    """Ask the partner for the balance, unless it was asked less than FRESH_SECONDS ago.

    Returns the last known balance, with `failed_at` set, when the partner does not answer; None
    when no balance was ever known. Never raises for the partner.
    """
    known = known_balance(company)
    # Redis holds a lock and the answer, so that many pages at once ask the partner only once.
    # Without Redis (`add` answers None) the row's times alone limit the calls.
    if cache.add(_asked_key(company), 1, timeout=FRESH_SECONDS) is False:
        newest: KnownBalance | None = cache.get(_figure_key(company))
        return newest or known
    if known and known.failed_at and timezone.now() - known.failed_at < _PAUSE:
        return known
    return _ask_balance(company, known)


def _asked_key(company: Company) -> str:
    return f"balance-asked:{company.pk}"


def _figure_key(company: Company) -> str:
    return f"balance:{shape_of(KnownBalance)}:{company.pk}"


def _ask_balance(company: Company, known: KnownBalance | None) -> KnownBalance | None:
    # Store the time of the request, not of the answer: a debit in between then still counts as in
    # flight, which shows too few points for a moment and never too many.
    asked_at = timezone.now()
    try:
        told = loyalty.get_balance(company.loyalty_account_id, patience=PATIENCE)
    except (PartnerRefusedError, PartnerUnavailableError) as error:
        logger.warning("no balance for company %s: %s", company.pk, error)
        KnownBalance.objects.filter(company=company).update(failed_at=asked_at)
        if wait := error.answer.retry_after:
            cache.set(_asked_key(company), 1, timeout=max(wait, FRESH_SECONDS))
        if known:
            known.failed_at = asked_at
        return known
    newest = KnownBalance(
        company_id=company.pk,
        points=told.points,
        as_of=told.as_of,
        fetched_at=asked_at,
        expiring=[
            {"points": points, "expires_on": day.isoformat()} for points, day in told.expiring
        ],
        failed_at=None,
    )
    KnownBalance.objects.bulk_create(
        [newest],
        update_conflicts=True,
        unique_fields=["company"],
        update_fields=["points", "as_of", "fetched_at", "expiring", "failed_at"],
    )
    cache.set(_figure_key(company), newest, timeout=FRESH_SECONDS)
    return newest
