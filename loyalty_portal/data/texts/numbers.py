"""Formats numbers for the page."""

from django.utils.formats import get_format


def grouped(number: int) -> str:
    """Format a number with the thousands separator of the reader's language: 12500 as "12,500"."""
    if -1000 < number < 1000:
        return str(number)
    return f"{number:,}".replace(",", get_format("THOUSAND_SEPARATOR"))


def signed(number: int) -> str:
    """`grouped` with a sign, also of zero: 12500 as "+12,500"."""
    return f"{'−' if number < 0 else '+'}{grouped(abs(number))}"
