"""The scheduled tasks of the catalogue."""

from catalog.services import choose_cards
from loyalty_portal.celery import app


@app.task
def refresh_cards() -> None:
    """Choose the cards of all families again, because offers and stock change with time."""
    choose_cards(families=None)
