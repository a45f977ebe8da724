"""Checks the codes that people type: of an authenticator app, or recovery codes. Each works once.

allauth remembers used codes in the cache only, so without Redis nobody could sign in, and a code
could be used again while a neighbouring one is still accepted.
"""

from typing import Any

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.app_settings import TOTP_TOLERANCE
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.mfa.utils import decrypt
from django.db import transaction

from accounts.access.factors.kinds import APP, RECOVERY_CODES
from accounts.models import User
from loyalty_portal.http.limits import Limit

USED = "last_step"  # in an app's data: the last step of 30 s whose code was used

# Wrong codes of one person. Only who knows the password gets here.
TRIES = Limit("second-factor", most=5, seconds=300)
TRIES_OF_A_DAY = Limit("second-factor-day", most=50, seconds=24 * 3600)


def may_try(person: User) -> bool:
    """Whether a code may be tried. Counts one try; `was_right` resets the count."""
    who = str(person.pk)
    return TRIES.take(who) and TRIES_OF_A_DAY.take(who)


def was_right(person: User) -> None:
    """Reset the count after a right code."""
    for limit in (TRIES, TRIES_OF_A_DAY):
        limit.forget(str(person.pk))


@transaction.atomic
def use_code(person: User, code: str) -> Any:
    """The person's factor that accepts this code; None when none does. The code is used up then,
    however many try it at once: the row is locked.
    """
    rows = Authenticator.objects.select_for_update(no_key=True)
    for factor in rows.filter(user=person, type__in=(APP, RECOVERY_CODES)).order_by("pk"):
        if factor.type == APP and _is_of_app(factor, code):
            return factor
        if factor.type == RECOVERY_CODES and factor.wrap().validate_code(code):
            return factor
    return None


def code_now(secret: str) -> str:
    """The code that an app with this secret shows at this moment."""
    step = list(yield_hotp_counters_from_time())[TOTP_TOLERANCE]
    return str(format_hotp_value(hotp_value(secret, step)))


def _is_of_app(factor: Any, code: str) -> bool:
    secret, used = decrypt(factor.data["secret"]), factor.data.get(USED, -1)
    for step in yield_hotp_counters_from_time():
        right = format_hotp_value(hotp_value(secret, step))
        if step > used and compare_user_code(actual=code, expected=right):
            factor.data[USED] = step
            factor.save(update_fields=["data"])
            return True
    return False
