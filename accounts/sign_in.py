"""How often a password may be wrong (docs/decisions/0019-who-may-try-a-password.md).

What is right is never counted: an office behind one address may all sign in at nine o'clock.
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
    """One spelling of what was typed, for all that the database would find the same person by."""
    return unicodedata.normalize("NFKC", login).strip().upper().casefold()


def may_try(request: HttpRequest, login: str) -> bool:
    """Whether a password may be tried for `login`. Counts one, until `was_right` takes it back.

    It is counted before the password is looked at: otherwise a hundred tries at once were one.
    """
    account = account_of(login)
    if browser := known_browser.number_of(request, account):
        return IN_KNOWN_BROWSER.take(f"{browser} {account}")
    if FROM_ADDRESS.is_reached(client_network(request)):
        return False
    return BY_STRANGERS.take(account)


def was_wrong(request: HttpRequest, login: str) -> None:
    """Who tries many accounts from one address is stopped by their failures, not by their tries."""
    if not known_browser.number_of(request, account_of(login)):
        FROM_ADDRESS.take(client_network(request))


def was_right(request: HttpRequest, login: str) -> None:
    """Whoever knows the password has nothing left to guess, so this account's count ends.

    The address's stays: one's own password in between must not buy ten more of other people's.
    """
    account = account_of(login)
    if browser := known_browser.number_of(request, account):
        IN_KNOWN_BROWSER.forget(f"{browser} {account}")
    else:
        BY_STRANGERS.forget(account)


def begin_anew(login: str) -> None:
    """After a new password: what was tried on the old one does not hold its owner back."""
    BY_STRANGERS.forget(account_of(login))
