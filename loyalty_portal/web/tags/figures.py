"""Template filters for numbers."""

from django import template

from loyalty_portal.data.texts import numbers

register = template.Library()


@register.filter
def signed(number: int) -> str:
    """Points with their sign and the reader's separators."""
    return numbers.signed(number)
