"""Takes a new client company in: its loyalty account is checked, its first owner is invited.

The Loyalty Points API is asked before anything is written, and outside any transaction. While it
does not answer, a company can be written down all the same; it stays switched off, and its owner
uninvited, until the account has been checked.
"""

from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts import loyalty
from accounts.invitations.services import InvitationRefusedError, prepare, send_again
from accounts.models import Company, Role
from accounts.permissions import may_add_companies
from accounts.seats.services import owners_held
from accounts.services import PATIENCE
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor
from loyalty_portal.partners.client import PartnerRefusedError, PartnerUnavailableError
from loyalty_portal.partners.reasons import loyalty_reason


class OnboardingRefusedError(Exception):
    """The company cannot be made so. `field` is the field of the form that is wrong, or ""."""

    def __init__(self, told: str, *, field: str = "") -> None:
        super().__init__(told)
        self.field = field


class NoAnswerError(Exception):
    """The Loyalty Points API did not answer, so the account is neither known nor unknown."""


@dataclass(frozen=True, slots=True)
class NewCompany:
    """What the form says. `id` is made with the empty form, so that it makes one company only."""

    id: UUID
    name: str
    loyalty_account_id: str
    tier_level: str
    approval_threshold: int | None
    time_zone: str
    language: str
    owner_email: str


def onboard(*, new: NewCompany, by: Actor, unchecked: bool = False) -> Company:
    """Make the company and invite its first owner, or neither. The same form sent again returns the
    company that it made.

    Raises OnboardingRefusedError, and NoAnswerError when the account could not be checked; with
    `unchecked` the company is then made and stays switched off.
    """
    if not may_add_companies(by):
        raise OnboardingRefusedError(_("You have no permission for this."))
    if made := Company.objects.filter(pk=new.id).first():
        return made
    _must_be_free(new)
    try:
        check_account(new.loyalty_account_id)
        checked = True
    except NoAnswerError:
        if not unchecked:
            raise
        checked = False
    try:
        return _write(new, checked=checked, by=by)
    except IntegrityError:
        if made := Company.objects.filter(pk=new.id).first():
            return made
        _must_be_free(new)
        raise


def check_account(account_id: str) -> None:
    """Ask the Loyalty Points API whether it knows the account; it waits PATIENCE seconds at most.

    Raises OnboardingRefusedError when it refuses, NoAnswerError when it does not answer.
    """
    try:
        loyalty.get_balance(account_id, patience=PATIENCE)
    except PartnerRefusedError as error:
        told = loyalty_reason(error.answer.code)
        raise OnboardingRefusedError(told, field="loyalty_account_id") from error
    except PartnerUnavailableError as error:
        raise NoAnswerError from error


def open_company(*, company: Company, account: str, by: Actor) -> None:
    """Check the account of a company that was written down unchecked, switch the company on, and
    invite whoever waits for it. `account` is the one that the person saw.

    Raises OnboardingRefusedError or NoAnswerError; the company then stays as it is.
    """
    if not may_add_companies(by):
        raise OnboardingRefusedError(_("You have no permission for this."))
    check_account(account)
    with transaction.atomic():
        owners_held(company.pk)
        held = Company.objects.get(pk=company.pk)
        if not held.awaits_account_check:
            raise OnboardingRefusedError(_("The account has been checked already."))
        if held.loyalty_account_id != account:
            raise OnboardingRefusedError(_("The account was changed just now. Check it again."))
        held.awaits_account_check, held.is_active = False, True
        held.save(update_fields=["awaits_account_check", "is_active", "updated_at"])
        record(TrailKind.COMPANY_OPENED, by=by, about=held)
        for invitation in held.invitations.open():
            send_again(invitation=invitation, by=by)


def _write(new: NewCompany, *, checked: bool, by: Actor) -> Company:
    with transaction.atomic():
        company = Company(
            id=new.id,
            name=new.name,
            loyalty_account_id=new.loyalty_account_id,
            tier_level=new.tier_level,
            approval_threshold=new.approval_threshold,
            time_zone=new.time_zone,
            language=new.language,
            is_active=checked,
            awaits_account_check=not checked,
        )
        company.save(force_insert=True)
        if checked:
            record(TrailKind.COMPANY_OPENED, by=by, about=company)
        try:
            prepare(company=company, email=new.owner_email, role=Role.OWNER, by=by, send=checked)
        except InvitationRefusedError as error:
            raise OnboardingRefusedError(str(error), field="owner_email") from error
    return company


def _must_be_free(new: NewCompany) -> None:
    taken = Company.objects.filter(loyalty_account_id=new.loyalty_account_id).first()
    if taken:
        told = _("This loyalty account belongs to %(company)s.") % {"company": taken}
        raise OnboardingRefusedError(told, field="loyalty_account_id")
