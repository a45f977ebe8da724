"""Limits wrong passwords (docs/decisions/0019-who-may-try-a-password.md).

Right passwords do not count, so a whole office may sign in from one IP address at once.
"""

import unicodedata

from django.http import HttpRequest

from accounts.access import known_browser
from loyalty_portal.http.client_address import client_network
from loyalty_portal.http.limits import Limit

# For one account, by all browsers in which it is not known.
BY_STRANGERS = Limit("wrong-password-account", most=5, seconds=300)
# For one account, in one browser in which it is known.
IN_KNOWN_BROWSER = Limit("wrong-password-browser", most=5, seconds=300)
# From one IP address, for all accounts, by browsers in which these are not known.
FROM_ADDRESS = Limit("wrong-password-address", most=10, seconds=60)


def account_of(login: str) -> str:
    """Normalize a typed login, so that all spellings of one person's login count together."""
    return unicodedata.normalize("NFKC", login).strip().upper().casefold()


def may_try(request: HttpRequest, login: str) -> bool:
    """Whether a password may be tried for `login`. Counts one try; `was_right` resets the count.

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
    """Count a failure for the IP address, which stops someone who tries many accounts."""
    if not known_browser.number_of(request, account_of(login)):
        FROM_ADDRESS.take(client_network(request))


def was_right(request: HttpRequest, login: str) -> None:
    """Reset the count of this account after the right password.

    The count of the IP address stays: otherwise signing in to one's own account would allow more
    tries on other accounts.
    """
    account = account_of(login)
    if browser := known_browser.number_of(request, account):
        IN_KNOWN_BROWSER.forget(f"{browser} {account}")
    else:
        BY_STRANGERS.forget(account)


def begin_anew(login: str) -> None:
    """Reset the count after a password change, so that earlier tries do not lock the owner out."""
    BY_STRANGERS.forget(account_of(login))
