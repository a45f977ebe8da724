"""Makes, rotates and revokes API keys, and verifies the one of a call.

docs/decisions/0052-api-keys.md has the reasons. Each change is told to all owners of the company by
letter, in the same transaction; the caller sends the letters (accounts/tasks.py: send_letters_of).
"""

import ipaddress
import re
import secrets
import string
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.access.key_letters import KeyChange, days_told_at_once, tell_owners
from accounts.models import AccountManager, ApiKey, Company, Role, Scope, User, hashed_key
from accounts.models.keys import SHOWN_FIRST, SHOWN_LAST
from accounts.permissions import may_make_keys, may_revoke_keys
from accounts.seats.services import as_now, owners_held
from accounts.selectors import key_of_secret
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.one_line import is_visible, one_line

MOST_KEYS = 20  # live keys of a company
USUAL_LIFE, LONGEST_LIFE = timedelta(days=365), timedelta(days=730)
USUAL_OVERLAP, LONGEST_OVERLAP = timedelta(hours=24), timedelta(days=7)
MOST_NETWORKS = 50
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECK = 30, 6  # characters; 62**6 is more than 2**32
_SHAPE = re.compile(rf"lrp_(live|test)_([0-9A-Za-z]{{{_RANDOM}}})([0-9A-Za-z]{{{_CHECK}}})")


class KeyRefusedError(Exception):
    """The key cannot be made, rotated or revoked so. The message says why."""


class NoSuchKeyError(Exception):
    """No key that may be used now. Nobody is told which of the reasons it is."""


@dataclass(frozen=True, slots=True)
class ApiKeyTerms:
    """What a key may do. `expires_at` None: in USUAL_LIFE from now."""

    name: str
    role: str
    scopes: Sequence[str]
    allowed_networks: Sequence[str] = ()
    notify_email: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made, with its secret, which is known only now."""

    key: ApiKey
    secret: str = field(repr=False)


# --- The text of a key ------------------------------------------------------------------------


def new_secret() -> str:
    """A key: `lrp_`, the environment, 30 random characters (178 bits) and 6 of a checksum."""
    drawn = "".join(secrets.choice(_DIGITS) for _place in range(_RANDOM))
    begin = f"lrp_{settings.API_KEY_ENVIRONMENT}_{drawn}"
    return begin + _checksum(begin)


def is_well_formed(secret: str) -> bool:
    """Whether a text may be a key of this environment. A mistyped one is found by its checksum."""
    found = _SHAPE.fullmatch(secret)
    if found is None or found[1] != settings.API_KEY_ENVIRONMENT:
        return False
    return _checksum(secret[:-_CHECK]) == found[3]


def _checksum(text: str) -> str:
    number, signs = zlib.crc32(text.encode()), ""
    for _place in range(_CHECK):
        number, digit = divmod(number, len(_DIGITS))
        signs = _DIGITS[digit] + signs
    return signs


# --- A call -----------------------------------------------------------------------------------


def verify(secret: str, *, address: str) -> ApiKey:
    """The key of a call from this IP address, with its seat, and write down its use.

    A text with a wrong checksum is refused without a query; otherwise there is one, and one more
    at most once a minute. Raises NoSuchKeyError.
    """
    key = key_of_secret(secret) if is_well_formed(secret) else None
    if key is None or not (key.is_live and key.seat.is_usable and _may_come_from(key, address)):
        raise NoSuchKeyError
    if key.is_use_due:
        ApiKey.objects.used(key.pk, address)
    return key


def _may_come_from(key: ApiKey, address: str) -> bool:
    if not key.allowed_networks:
        return True
    try:
        came_from = ipaddress.ip_address(address)
    except ValueError:  # a Unix socket
        return False
    return any(came_from in ipaddress.ip_network(each) for each in key.allowed_networks)


# --- The life of a key ------------------------------------------------------------------------


def make_key(
    *, company: Company, terms: ApiKeyTerms, by: Actor, key_id: UUID | None = None
) -> NewKey:
    """Make a key with a seat of its own. Raises KeyRefusedError, also for a `key_id` that is taken:
    a form that is sent twice makes one key.

    The company's row is locked, so that keys made at once are counted one after another.
    """
    checked = _checked(terms)
    with transaction.atomic():
        owners = owners_held(company.pk)
        company.refresh_from_db()
        _must(may_make_keys(as_now(by), company))
        _must_be_open(company)
        if key_id and ApiKey.objects.filter(pk=key_id).exists():
            raise KeyRefusedError(_("This form made a key already, which was shown then."))
        _must_have_room(company)
        seat = _new_seat(company, checked)
        made = _write(seat, checked, by=by, key_id=key_id or uuid7())
        tell_owners(made.key, KeyChange.MADE, by=by, owners=owners)
    return made


def rotate_key(*, key: ApiKey, by: Actor, overlap: timedelta = USUAL_OVERLAP) -> NewKey:
    """Make a successor with the same seat and terms. The old key ends after `overlap`.

    Raises KeyRefusedError, also for a key that has a successor. Whoever rotates a key knows its
    successor, so they count as having made it.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise KeyRefusedError(_("Both keys can be valid for 7 days at most."))
    with transaction.atomic():
        owners = owners_held(key.seat.company_id)
        held = _held(key)
        company = held.seat.company
        _must(may_make_keys(as_now(by), company))
        _must_be_open(company)
        if not held.is_live or hasattr(held, "successor"):
            raise KeyRefusedError(_("This key has ended, or was rotated already."))
        ends, life = timezone.now() + overlap, held.expires_at - held.created_at
        held.expires_at = min(held.expires_at, ends)
        held.save(update_fields=["expires_at"])
        _must_have_room(company)
        terms = ApiKeyTerms(
            name=held.name,
            role=held.seat.role,
            scopes=held.scopes,
            allowed_networks=held.allowed_networks,
            notify_email=held.notify_email,
            expires_at=timezone.now() + min(life, LONGEST_LIFE),
        )
        made = _write(held.seat, terms, by=by, key_id=uuid7(), replaces=held)
        tell_owners(made.key, KeyChange.ROTATED, by=by, owners=owners)
    key.expires_at = held.expires_at
    return made


def revoke_key(*, key: ApiKey, reason: str, by: Actor) -> None:
    """Revoke a key at once. Its next call is refused. Raises KeyRefusedError. `by` is the portal
    for whoever runs the command.
    """
    reason = one_line(reason)[:255]
    if not is_visible(reason):
        raise KeyRefusedError(_("Give the reason; the owners of the company read it."))
    with transaction.atomic():
        owners = owners_held(key.seat.company_id)
        held = _held(key)
        _must(by.is_system or may_revoke_keys(as_now(by), held.seat.company))
        if held.revoked_at:
            raise KeyRefusedError(_("This key is revoked already."))
        held.revoked_at, held.revoked_why = timezone.now(), reason
        held.revoked_by_id = by.user_id
        held.save(update_fields=["revoked_at", "revoked_why", "revoked_by"])
        facts: dict[str, Any] = {"what": "revoked", "shown": held.shown}
        record(TrailKind.KEY_CHANGED, by=by, about=held, facts=facts)
        tell_owners(held, KeyChange.REVOKED, by=by, owners=owners, reason=reason)
    key.revoked_at, key.revoked_why = held.revoked_at, reason


def key_shown_as(text: str) -> ApiKey:
    """The one key that is shown so, such as `lrp_live_4fQz…t9Xa`, or whose whole text it is.

    Raises KeyRefusedError when there is none, or more than one.
    """
    if len(text) == SHOWN_FIRST + SHOWN_LAST + 1 or "..." in text:
        first, last = text[:SHOWN_FIRST], text[-SHOWN_LAST:]
        found = list(ApiKey.objects.shown_as(first, last).select_related("seat__company")[:2])
    else:
        found = list(ApiKey.objects.filter(secret_hash=hashed_key(text))[:1])
    if not found:
        raise KeyRefusedError(_("There is no such key."))
    if len(found) > 1:
        raise KeyRefusedError(_("More than one key is shown so. Revoke it in the admin portal."))
    return found[0]


# --- Checks and rows --------------------------------------------------------------------------


def _checked(terms: ApiKeyTerms) -> ApiKeyTerms:
    name, now = one_line(terms.name), timezone.now()
    if not is_visible(name) or len(name) > 100:
        raise KeyRefusedError(_("Give the key a name of up to 100 characters."))
    if terms.role not in Role.values:
        raise KeyRefusedError(_("There is no such role."))
    scopes = [scope for scope in Scope.values if scope in terms.scopes]
    if not scopes or set(terms.scopes) - set(scopes):
        raise KeyRefusedError(_("Choose what the key may do, from the scopes that there are."))
    ends = terms.expires_at or now + USUAL_LIFE
    if not now < ends <= now + LONGEST_LIFE:
        raise KeyRefusedError(_("A key expires in the future, in two years at the latest."))
    if terms.notify_email:
        try:
            validate_email(terms.notify_email)
        except ValidationError as error:
            raise KeyRefusedError(" ".join(error.messages)) from None
    return ApiKeyTerms(
        name=name,
        role=terms.role,
        scopes=scopes,
        allowed_networks=_networks(terms.allowed_networks),
        notify_email=terms.notify_email.strip().lower(),
        expires_at=ends,
    )


def _networks(texts: Sequence[str]) -> list[str]:
    """The networks as they are stored; an address counts as a network of one."""
    if len(texts) > MOST_NETWORKS:
        raise KeyRefusedError(_("A key can be limited to 50 networks at most."))
    try:
        return [str(ipaddress.ip_network(each.strip(), strict=False)) for each in texts]
    except ValueError:
        raise KeyRefusedError(_("Write each network as 192.0.2.0/24 or 2001:db8::/32.")) from None


def _held(key: ApiKey) -> ApiKey:
    """The key as it is now; its company is locked."""
    rows = ApiKey.objects.select_related("seat__company", "seat__user", "successor")
    return rows.get(pk=key.pk)


def _must(allowed: bool) -> None:
    if not allowed:
        raise KeyRefusedError(_("You have no permission for this."))


def _must_be_open(company: Company) -> None:
    if not company.is_active:
        raise KeyRefusedError(_("The company is switched off. Switch it on first."))


def _must_have_room(company: Company) -> None:
    if ApiKey.objects.live().filter(seat__company=company).count() >= MOST_KEYS:
        raise KeyRefusedError(
            _("A company can have 20 live keys. Revoke one first, or rotate without an overlap.")
        )


def _new_seat(company: Company, terms: ApiKeyTerms) -> AccountManager:
    """The seat of a new key. Its person is a machine: it has no password, and an address at which
    nobody is.
    """
    person = User(email=f"key-{uuid7().hex}@machine.invalid", name=terms.name, is_machine=True)
    person.set_unusable_password()
    person.save(force_insert=True)
    seat = AccountManager(company=company, user=person, role=terms.role)
    seat.save(force_insert=True)
    return seat


def _write(
    seat: AccountManager,
    terms: ApiKeyTerms,
    *,
    by: Actor,
    key_id: UUID,
    replaces: ApiKey | None = None,
) -> NewKey:
    secret = new_secret()
    ends = terms.expires_at or timezone.now() + USUAL_LIFE
    key = ApiKey(
        id=key_id,
        seat=seat,
        name=terms.name,
        secret_hash=hashed_key(secret),
        shown_first=secret[:SHOWN_FIRST],
        shown_last=secret[-SHOWN_LAST:],
        scopes=list(terms.scopes),
        allowed_networks=list(terms.allowed_networks),
        notify_email=terms.notify_email,
        replaces=replaces,
        created_by_id=by.person_id,
        expires_at=ends,
        told_days=days_told_at_once(ends),
    )
    key.save(force_insert=True)
    facts: dict[str, Any] = {
        "what": "rotated" if replaces else "made",
        "shown": key.shown,
        "role": seat.role,
        "scopes": key.scopes,
        "networks": key.allowed_networks,
        "expires": ends.isoformat(),
    }
    if replaces:
        facts["replaces"] = replaces.shown
    record(TrailKind.KEY_CHANGED, by=by, about=key, facts=facts)
    return NewKey(key, secret)
