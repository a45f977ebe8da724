"""A template filter for stored sentences."""

from django import template

from loyalty_portal.data.texts import kept

register = template.Library()


@register.filter
def retold(text: str) -> str:
    """A stored sentence in the reader's language (loyalty_portal/data/texts/kept.py)."""
    return kept.retold(str(text or ""))
