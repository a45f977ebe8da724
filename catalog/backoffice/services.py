"""Writes what staff enter: variants of a family, and saved views of the list of products."""

from uuid import UUID

from django.db import connection
from django.db.models import Max, Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from catalog.models import Family, Product, SavedView
from catalog.services import save_product
from loyalty_portal.data.actor import Actor

MOST_VIEWS = 50  # of one person
LONGEST_NAME, LONGEST_QUERY = 60, 2000  # characters, as the columns of SavedView
_OF_ONE_PAGE = ("p", "e", "_popup", "_to_field")  # parts of a list's query that are no filters


class ViewRefusedError(Exception):
    """A view cannot be saved or taken away. The message is a sentence for the person."""


# What a new variant takes over from another.
_SHARED = (
    "product_type", "category", "brand", "description", "minimum_tier", "available_from",
    "available_until", "validity", "usable_at", "delivery_days", "terms",
)  # fmt: skip


def hold_key(kind: str, key: str) -> None:
    """Make others who are about to use the same SKU or code wait until this transaction ends.

    A form asks this before it checks whether the key is free, so of two people who add one SKU at
    once the second reads a sentence.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{kind}:{key.upper()}"])


def add_variant(*, family: Family, like: Product, variant: Product, by: Actor) -> Product:
    """Add a variant to a family, after the others.

    `variant` has what is its own: SKU, options, points, whether it is active. Everything else is
    taken from `like`, another variant or one that is not stored.
    """
    for name in _SHARED:
        setattr(variant, name, getattr(like, name))
    variant.name = ", ".join(filter(None, (family.name, variant.variant)))[:255]
    variant.family = family
    last = family.products.aggregate(last=Max("variant_position"))["last"]
    variant.variant_position = 1 if last is None else last + 1
    return save_product(product=variant, by=by)


def views_for(person: Actor) -> QuerySet[SavedView]:
    """The saved views that a person sees: their own and shared ones, by name."""
    seen = SavedView.objects.filter(Q(owner=person.user_id) | Q(is_shared=True))
    return seen.select_related("owner").order_by("name", "id")


def save_view(*, name: str, query: str, is_shared: bool, by: Actor) -> SavedView:
    """Save the filters of a list under a name. The person's own view of that name is replaced.

    Raises ViewRefusedError.
    """
    name = " ".join(name.replace("\0", "").split())
    filters = QueryDict(query, mutable=True)
    for part in _OF_ONE_PAGE:
        filters.pop(part, None)
    kept = filters.urlencode()
    if not name or len(name) > LONGEST_NAME:
        raise ViewRefusedError(_("Give the view a name of at most 60 characters."))
    if len(kept) > LONGEST_QUERY:
        raise ViewRefusedError(_("These filters are too long to be saved."))
    own = SavedView.objects.filter(owner=by.person_id)
    if own.exclude(name=name).count() >= MOST_VIEWS:
        raise ViewRefusedError(_("You have 50 views. Take one away first."))
    view, _made = SavedView.objects.update_or_create(
        owner_id=by.person_id, name=name, defaults={"query": kept, "is_shared": is_shared}
    )
    return view


def drop_view(*, key: UUID, by: Actor) -> str:
    """Take a saved view away and return its name. Raises ViewRefusedError for another's."""
    view = SavedView.objects.filter(pk=key).select_related("owner").first()
    if view is None:
        raise ViewRefusedError(_("The view was taken away already."))
    if view.owner_id != by.user_id:
        raise ViewRefusedError(
            _("The view “%(name)s” is %(owner)s's, who alone takes it away.")
            % {"name": view.name, "owner": view.owner}
        )
    view.delete()
    return view.name
