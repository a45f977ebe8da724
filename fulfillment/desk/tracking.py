"""Checks tracking numbers by their carriers' check digits.

Numbers of the world's posts follow UPU S10; UPS, FedEx, USPS and DHL have forms of their own. What
has no check digit, such as DHL's JJD numbers, cannot be checked.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

UPS, FEDEX, DHL, USPS = "UPS", "FedEx", "DHL", "USPS"
_POSTS = {"DE": DHL, "US": USPS, "GB": "Royal Mail", "FR": "La Poste", "AT": "Post AG"}
_POST = "Post"  # of a country that has no name here


class Form(NamedTuple):
    """One form of a carrier's numbers. `fits` tells whether the check digit is right."""

    carrier: str
    pattern: re.Pattern[str]
    fits: Callable[[str], bool]


class Read(NamedTuple):
    """A tracking number as it was read: the carrier whose form it has, and whether it checks."""

    carrier: str
    right: bool


def plain(text: str) -> str:
    """The number in capitals, without spaces and dashes."""
    return re.sub(r"[\s-]", "", text).upper()


def _mod10(digits: str) -> bool:
    """Whether the last digit is the one of GS1: weights 3 and 1, from the right."""
    weighted = sum(int(digit) * (3, 1)[at % 2] for at, digit in enumerate(digits[-2::-1]))
    return (weighted + int(digits[-1])) % 10 == 0


def _s10(number: str) -> bool:
    weighted = sum(
        int(digit) * weight
        for digit, weight in zip(number[2:10], (8, 6, 4, 2, 3, 5, 9, 7), strict=True)
    )
    check = 11 - weighted % 11
    return int(number[10]) == {10: 0, 11: 5}.get(check, check)


def _ups(number: str) -> bool:
    """A letter counts as the last digit of its place in ASCII, less 63: A is 2, B is 3."""
    values = [int(c) if c.isdigit() else (ord(c) - 63) % 10 for c in number[2:17]]
    total = sum(values[0::2]) + 2 * sum(values[1::2])
    return int(number[17]) == -total % 10


def _fedex(number: str) -> bool:
    weighted = sum(int(digit) * (3, 1, 7)[at % 3] for at, digit in enumerate(number[:11]))
    return int(number[11]) == weighted % 11 % 10


def _dhl_express(number: str) -> bool:
    return int(number[9]) == int(number[:9]) % 7


_FORMS = (
    Form(UPS, re.compile(r"1Z[0-9A-Z]{15}[0-9]"), _ups),
    Form(_POST, re.compile(r"[A-Z]{2}[0-9]{9}[A-Z]{2}"), _s10),
    Form(DHL, re.compile(r"00[0-9]{18}"), _mod10),
    Form(USPS, re.compile(r"9[0-9]{21}"), _mod10),
    Form(FEDEX, re.compile(r"[0-9]{12}"), _fedex),
    Form(FEDEX, re.compile(r"[0-9]{15}"), _mod10),
    Form(DHL, re.compile(r"[0-9]{10}"), _dhl_express),
)
# Forms without a check digit.
_UNCHECKED = ((DHL, re.compile(r"JJD[0-9A-Z]{10,20}|JD[0-9]{10,20}|JVGL[0-9]{10,20}")),)


def read(text: str) -> Read | None:
    """What the text is as a tracking number; None when it has no carrier's form."""
    number = plain(text)
    for form in _FORMS:
        if form.pattern.fullmatch(number):
            carrier = _POSTS.get(number[-2:], _POST) if form.carrier == _POST else form.carrier
            return Read(carrier, form.fits(number))
    for carrier, pattern in _UNCHECKED:
        if pattern.fullmatch(number):
            return Read(carrier, right=True)
    return None


def is_doubtful(carrier: str, text: str) -> bool:
    """Whether the number cannot be this carrier's: another's, or with a wrong check digit.

    A carrier that is not listed here may have numbers of digits alone that look like another's.
    """
    found = read(text)
    if found is None:
        return False
    if _is_named(found.carrier, carrier):
        return not found.right
    if any(_is_named(known, carrier) for known in (UPS, FEDEX, DHL, USPS)):
        return True
    return not found.right and not plain(text).isdigit()


def _is_named(known: str, said: str) -> bool:
    return known.casefold() in said.casefold()
