"""The scheduled tasks of the catalogue."""

from accounts.tasks import send_letters_of
from catalog.services import choose_cards
from catalog.yours.services import tell_back
from loyalty_portal.celery import app


@app.task
def refresh_cards() -> None:
    """Choose the cards of all families again, because offers and stock change with time."""
    choose_cards(families=None)


@app.task
def tell_in_stock() -> None:
    """Write and queue the letters about products that are in stock again."""
    for company_id in tell_back():
        send_letters_of(company_id)
