"""Reading who is here."""

from uuid import UUID

from accounts.models import AccountManager, User


def seats_of(user: User) -> list[AccountManager]:
    """The seats that `user` may use now, with their companies and last known balances."""
    seats = AccountManager.objects.usable().filter(user=user)
    return list(seats.select_related("company__known_balance").order_by("company__name", "id"))


def choose_seat(seats: list[AccountManager], wanted: str | None) -> AccountManager | None:
    """The seat with the id `wanted`, else the first: a seat taken away ends no session."""
    try:
        wanted_id = UUID(wanted or "")
    except ValueError:
        wanted_id = None
    return next((seat for seat in seats if seat.id == wanted_id), seats[0] if seats else None)
