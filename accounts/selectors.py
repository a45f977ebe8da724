"""Reads seats and keys, chooses the seat in which a user acts, and names who did something."""

from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import (
    AccountManager,
    ApiKey,
    Company,
    CopyTo,
    LetterCopy,
    LetterOff,
    LetterTopic,
    PersonLetter,
    Role,
    TextsTo,
    User,
    hashed_key,
)
from loyalty_portal.data.actor import Person
from loyalty_portal.fastpath.sql import Prepared

FOUND = 20  # companies
SEAT_KEY = "seat"  # in the session: the id of the seat in which the person acts

# The columns that every page reads.
_usable_seats = Prepared(
    lambda user_id: (
        AccountManager.objects.usable()
        .filter(user_id=user_id)
        .select_related("user", "company__known_balance")
        .order_by("company__name", "id")
    ),
    UUID(int=1),
)

_keys_by_hash = Prepared(
    lambda secret_hash: (
        ApiKey.objects.filter(secret_hash=secret_hash)
        .select_related("seat__user", "seat__company")
        .order_by()
    ),
    "a-hash",
)


def find_companies(words: str) -> QuerySet[Company]:
    """Companies whose name contains the words, by name; the first ones without words."""
    return Company.objects.filter(name__icontains=words).order_by("name", "id")[:FOUND]


def usable_seats(user_id: UUID) -> list[AccountManager]:
    """The user's seats that can be used now, with user, company and last known balance."""
    return _usable_seats(user_id)


def key_of_secret(secret: str) -> ApiKey | None:
    """The key with this secret, whatever became of it, with its seat and company: one query."""
    return next(iter(_keys_by_hash(hashed_key(secret))), None)


def seats_of_same_person(seat: AccountManager) -> QuerySet[AccountManager]:
    """Seats of the company that the same person controls: theirs, and those of API keys that they
    made or rotated. For a key's seat: of whoever made or rotated the key.
    """
    makers = ApiKey.objects.filter(seat=seat.pk).values("created_by")
    people = Q(user=seat.user_id) | Q(user__in=makers)
    made = ApiKey.objects.filter(Q(created_by=seat.user_id) | Q(created_by__in=makers))
    theirs = people | Q(pk__in=made.values("seat"))
    return AccountManager.objects.filter(theirs, company=seat.company_id).order_by()


def seats_of(user: User) -> list[AccountManager]:
    """The user's seats that can be used now. Needs no query if they were loaded with the user."""
    return usable_seats(user.pk) if user.loaded_seats is None else user.loaded_seats


def own_seat(seats: list[AccountManager], wanted: str | None) -> AccountManager | None:
    """The seat in `seats` with the id `wanted`; None when there is none."""
    try:
        wanted_id = UUID(wanted or "")
    except ValueError:
        return None
    return next((seat for seat in seats if seat.id == wanted_id), None)


def choose_seat(seats: list[AccountManager], wanted: str | None) -> AccountManager | None:
    """The seat with the id `wanted`, or the first one. None when there are no seats.

    A user who loses the current seat continues in another one and stays signed in.
    """
    return own_seat(seats, wanted) or next(iter(seats), None)


def troubled_letters() -> QuerySet[PersonLetter]:
    """Letters to people that could not be sent yet, or not at all. Those of invitations that ended
    meanwhile are not needed.
    """
    waiting = PersonLetter.objects.filter(sent_at__isnull=True).exclude(problem="")
    return waiting.filter(Q(invitation=None) | Q(invitation__end=""))


def owners_of(company_id: UUID) -> QuerySet[User]:
    """The people who are owners of the company: their seat and they themselves are active. The
    seat of a key owns nothing.
    """
    return User.objects.filter(
        seats__company=company_id,
        seats__role=Role.OWNER,
        seats__is_active=True,
        is_active=True,
        is_machine=False,
    )


def letter_address(seat: AccountManager) -> str:
    """The address for letters about what the seat ordered: its person's.

    The seat of a key has none of its own. Its letters go to the address that was given with the
    key, or else to the owner who has been one of the company for longest.
    """
    if not seat.user.is_machine:
        return seat.email
    newest = seat.keys.exclude(notify_email="").order_by("-created_at").first()
    if newest:
        return newest.notify_email
    owners = AccountManager.objects.usable().filter(company=seat.company_id, role=Role.OWNER)
    people = owners.exclude(user__is_machine=True).select_related("user").order_by("id")
    return next((owner.email for owner in people[:1]), seat.email)


def letter_goes_to(*, company_id: UUID, topic: LetterTopic, to: str, must: bool) -> list[str]:
    """The addresses that a letter about an order goes to: first `to`, unless its person switched
    letters of this topic off, then those who get copies. `must`: nobody can switch it off.
    """
    off = LetterOff.objects.filter(user__email__iexact=to, topic=topic)
    first = [to] if must or not off.exists() else []
    rows = LetterCopy.objects.filter(company=company_id, topic=topic)
    copies = dict(rows.values_list("to", "email"))
    roles = {role for kind, held in _COPIED_ROLES.items() if kind in copies for role in held}
    more = _colleagues(company_id, roles) if roles else []
    mailbox = copies.get(CopyTo.MAILBOX, "")
    found = {each.lower(): each for each in [*more, mailbox] if each}
    found.pop(to.lower(), None)
    return [*first, *found.values()]


def offers_texts(company: Company | None) -> bool:
    """Whether people of the company may have text messages."""
    return bool(settings.SMS_URL and company and company.text_messages)


def text_goes_to(*, company: Company, topic: LetterTopic, to: str) -> UUID | None:
    """The person who gets a text message with a letter to this address; None when nobody does:
    because there is no provider, their company wants none, or they gave no number for the topic.
    """
    if not offers_texts(company):
        return None
    rows = TextsTo.objects.filter(
        user__email__iexact=to, user__is_active=True, topics__contains=[topic]
    )
    return rows.values_list("user", flat=True).first()


_COPIED_ROLES = {
    CopyTo.OWNERS: [Role.OWNER],
    CopyTo.APPROVERS: [Role.OWNER, Role.APPROVER],  # owners approve too
}


def _colleagues(company_id: UUID, roles: set[Role]) -> list[str]:
    """The addresses of people with these roles who have not switched copies off."""
    seats = AccountManager.objects.usable().filter(company=company_id, role__in=roles)
    off = LetterOff.objects.filter(topic=LetterTopic.COPIES).values("user")
    people = seats.exclude(user__is_machine=True).exclude(user__in=off)
    return list(people.order_by("id").values_list("user__email", flat=True))


def told_as(user: Person | None, company_id: UUID) -> str:
    """Who did something, as the company reads it: a name, or "the programme" for its staff."""
    if user is None:
        return _("the portal")
    seats = AccountManager.objects.filter(company=company_id, user=user.pk)
    if user.is_staff and not seats.exists():
        return _("the programme (support)")
    return str(user)
