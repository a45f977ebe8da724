"""The scheduled tasks of the catalogue."""

from catalog.services import choose_cards
from loyalty_portal.celery import app


@app.task
def refresh_cards() -> None:
    """Choose for each family a card that is on offer and in stock; both change with time."""
    choose_cards(families=None)
