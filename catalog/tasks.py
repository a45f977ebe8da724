"""What the catalogue does by the clock."""

from catalog.services import choose_cards
from loyalty_portal.celery import app


@app.task
def refresh_cards() -> None:
    """Let each family be shown by one that is on offer and in stock: both change with time."""
    choose_cards(families=None)
