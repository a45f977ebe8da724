"""Limits wrong passwords (docs/decisions/0019-who-may-try-a-password.md).

Right passwords are never counted: all people of an office may sign in from one address at once.
"""

import unicodedata

from django.http import HttpRequest

from accounts import known_browser
from loyalty_portal.http.client_address import client_network
from loyalty_portal.http.limits import Limit

# For one account, by all browsers that it does not know.
BY_STRANGERS = Limit("wrong-password-account", most=5, seconds=300)
# For one account, in one browser in which it has signed in before.
IN_KNOWN_BROWSER = Limit("wrong-password-browser", most=5, seconds=300)
# From one address, for whatever accounts, by browsers that these do not know.
FROM_ADDRESS = Limit("wrong-password-address", most=10, seconds=60)


def account_of(login: str) -> str:
    """One spelling of a typed login, the same for all spellings that find the same person."""
    return unicodedata.normalize("NFKC", login).strip().upper().casefold()


def may_try(request: HttpRequest, login: str) -> bool:
    """Whether a password may be tried for `login`. Counts one try, which `was_right` takes back.

    The try is counted before the password is checked: otherwise a hundred tries at once would count
    as one.
    """
    account = account_of(login)
    if browser := known_browser.number_of(request, account):
        return IN_KNOWN_BROWSER.take(f"{browser} {account}")
    if FROM_ADDRESS.is_reached(client_network(request)):
        return False
    return BY_STRANGERS.take(account)


def was_wrong(request: HttpRequest, login: str) -> None:
    """Count a failure for the address. Whoever tries many accounts is stopped by failures, not by
    tries.
    """
    if not known_browser.number_of(request, account_of(login)):
        FROM_ADDRESS.take(client_network(request))


def was_right(request: HttpRequest, login: str) -> None:
    """Reset the count of this account: whoever knows the password has nothing to guess.

    The count of the address stays, so that signing in oneself does not allow more tries on other
    accounts.
    """
    account = account_of(login)
    if browser := known_browser.number_of(request, account):
        IN_KNOWN_BROWSER.forget(f"{browser} {account}")
    else:
        BY_STRANGERS.forget(account)


def begin_anew(login: str) -> None:
    """Reset the count after a new password: tries on the old one do not lock its owner out."""
    BY_STRANGERS.forget(account_of(login))
