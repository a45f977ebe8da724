"""Cards, made where the header's points are known.

What a new order may cost is redemption's to say, and the catalogue does not ask upwards; the
page's context has it when the template runs.
"""

from django import template

from catalog.cards import Card, Catalogue, made_cards

register = template.Library()


@register.simple_tag
def cards_of(catalogue: Catalogue, spendable: int | None) -> list[Card]:
    """The page's cards, each with what it lacks; `spendable` is points, None when not known."""
    return made_cards(catalogue.rows, catalogue.families, spendable)
