"""Filling the catalogue's text with what is the viewer's own."""

from django import template
from django.utils.safestring import SafeString

from catalog.shown import Shown

register = template.Library()


@register.filter
def results(shown: Shown, spendable: int | None) -> SafeString:
    """The results, each card with what it lacks. The header's points are known to templates only:
    what a new order may cost is redemption's to say, and the catalogue does not ask upwards.
    """
    return shown.results(spendable)
