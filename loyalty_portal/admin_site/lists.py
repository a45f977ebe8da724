"""Lists of the back office, which stay fast in tables of millions of rows.

A short list has numbered pages. Counting a long one, and skipping to a page of it, would read the
table, so a long list is counted up to a limit only, and its pages follow one another by key.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.contrib.admin.filters import DateFieldListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from loyalty_portal.data.ids import first_uuid7
from loyalty_portal.data.texts.numbers import grouped

# The theme's class carries no types, so type checkers see Django's.
if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList

SEARCH_WORDS, SEARCH_LENGTH = 10, 200  # limits of a search: each word is looked for in each column
MOST_COUNTED = 1_000  # rows; a longer list is not counted
AFTER, BEFORE = "after", "before"  # the row's key beside which a page begins


def shortened(text: str) -> str:
    """The part of a search that is used: its first words, up to a length."""
    return " ".join(text[:SEARCH_LENGTH].split()[:SEARCH_WORDS])


class ShortCount(Paginator[Any]):
    """Pages that are counted up to MOST_COUNTED rows and one more."""

    template_name = "admin/_pages.html"
    about = 0  # the estimated number of rows of a long list without filters
    first = previous = following = ""  # addresses of pages of a long list

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment] # lists have no others
        return rows.order_by().values("pk")[: MOST_COUNTED + 1].count()

    @property
    def is_long(self) -> bool:
        return self.count > MOST_COUNTED


class KeyedDateFilter(DateFieldListFilter):
    """Django's filter of dates for a list by key: the key has the time of its row, and an index.

    A day more at each end is for rows whose key was made some time before or after them.
    """

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().queryset(request, queryset)  # type: ignore[assignment]
        since, until = self.lookup_kwarg_since, self.lookup_kwarg_until
        for name, lookup, days in ((since, "pk__gte", -1), (until, "pk__lt", 1)):
            if moment := parse_datetime(str(self.date_params.get(name, ""))):
                rows = rows.filter(**{lookup: first_uuid7(moment + timedelta(days=days))})
        return rows


class _SortKey(NamedTuple):
    """A column that a list is sorted by."""

    name: str
    descending: bool

    def equal(self, value: Any) -> Q:
        return Q(**{f"{self.name}__isnull": True}) if value is None else Q(**{self.name: value})

    def beyond(self, value: Any) -> Q:
        """Rows that come after `value`. PostgreSQL sorts NULL as the greatest."""
        if value is None:
            return Q(**{f"{self.name}__isnull": False}) if self.descending else Q(pk__in=[])
        if self.descending:
            return Q(**{f"{self.name}__lt": value})
        return Q(**{f"{self.name}__gt": value}) | Q(**{f"{self.name}__isnull": True})


def _after(keys: Sequence[_SortKey], values: Sequence[Any]) -> Q:
    """Rows that come after the row with these values."""
    beyond, equal = Q(pk__in=[]), Q()
    for key, value in zip(keys, values, strict=True):
        beyond |= equal & key.beyond(value)
        equal &= key.equal(value)
    return beyond


class PortalList(ChangeList):
    """A list that counts its rows once, and only as far as that is fast."""

    paginator: ShortCount

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        """Search for a shortened text if the typed one is too long, and show a message about it."""
        short = shortened(self.query)
        if short != " ".join(self.query.split()):
            told = _("Searched for the first words only, at most %(words)d: “%(short)s”")
            messages.warning(request, told % {"words": SEARCH_WORDS, "short": short})
            self.query = short
        found = super().get_queryset(request, exclude_parameters)
        if getattr(request, "found_in_part", False):
            messages.warning(
                request,
                _(
                    "More is found than a search shows, so some of it is missing here. Search for "
                    "something more exact."
                ),
            )
        return found

    def get_filters(self, request: HttpRequest) -> Any:
        """Treat a filter value with a NUL as an invalid filter: PostgreSQL texts cannot hold it."""
        if any("\0" in value for value in request.GET.values()):
            raise IncorrectLookupParameters
        return super().get_filters(request)

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Django's, without the place of a page."""
        found: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in {AFTER, BEFORE}}

    def get_results(self, request: HttpRequest) -> None:
        after, before = (self._place(name) for name in (AFTER, BEFORE))
        super().get_results(request)
        if not self.result_count:
            self.result_list = self.queryset.none()  # to look for no rows takes longest
        elif self.query and self.multi_page and not self.paginator.is_long:
            self._show_found()
        if self.full_result_count is None and not (self.query or self.has_active_filters):
            self.full_result_count = self.result_count
        keys = self._sorted_by()
        if self.paginator.is_long and keys:
            self._show_long(keys, after, before)

    def _show_found(self) -> None:
        """Sort the keys of all that is found. With a limit, PostgreSQL would rather go through the
        whole list in its order until it has met enough of them.
        """
        keys = list(self.queryset.values_list("pk", flat=True))
        first = (self.page_num - 1) * self.list_per_page
        self.result_list = self.queryset.filter(pk__in=keys[first : first + self.list_per_page])

    def _place(self, name: str) -> Any:
        """The key of a row in the address, taken out of it, so that no other link keeps it."""
        self.filter_params.pop(name, None)
        said = self.params.pop(name, None)
        try:
            return said and self.model._meta.pk.to_python(said)
        except ValidationError:
            raise IncorrectLookupParameters from None

    def _sorted_by(self) -> list[_SortKey]:
        """The columns of the order; empty if it has an expression, whose pages are numbered."""
        order = self.queryset.query.order_by
        if not all(isinstance(name, str) for name in order):
            return []
        return [_SortKey(name.lstrip("-"), name.startswith("-")) for name in order]

    def _show_long(self, keys: list[_SortKey], after: Any, before: Any) -> None:
        """Show the rows after or before a row, or the first."""
        rows = self.queryset
        if before is not None:
            rows = rows.reverse()
            keys = [_SortKey(key.name, not key.descending) for key in keys]
        beside = before if after is None else after
        if beside is not None:
            values = rows.filter(pk=beside).values_list(*(key.name for key in keys)).first()
            if values is None:
                raise IncorrectLookupParameters
            rows = rows.filter(_after(keys, values))
        found = list(rows.values_list("pk", flat=True)[: self.list_per_page + 1])
        more, found = len(found) > self.list_per_page, found[: self.list_per_page]
        if before is not None:
            found.reverse()
        self.result_list = self.queryset.filter(pk__in=found)
        self.result_count = self.full_result_count = len(found)
        self._link(
            found,
            back=more if before is not None else after is not None,
            on=more if before is None else True,
        )

    def _link(self, found: Sequence[Any], *, back: bool, on: bool) -> None:
        """Set the addresses of the pages beside this one."""
        pages = self.paginator
        if not (self.query or self.has_active_filters):
            pages.about = estimated_rows(self.model._meta.db_table)
        if found and back:
            pages.first = self.get_query_string()
            pages.previous = self.get_query_string({BEFORE: found[0]})
        if found and on:
            pages.following = self.get_query_string({AFTER: found[-1]})


def at_once(request: HttpRequest, rows: QuerySet[Any]) -> list[Any]:
    """The rows for an action that works them before it answers; none, with a sentence, if there
    are more than MOST_COUNTED.
    """
    chosen = list(rows[: MOST_COUNTED + 1])
    if len(chosen) <= MOST_COUNTED:
        return chosen
    told = _("At most %(most)s at once. Nothing was changed.") % {"most": grouped(MOST_COUNTED)}
    messages.error(request, told)
    return []


def estimated_rows(table: str) -> int:
    """How many rows PostgreSQL thinks that a table has, without counting them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [f'"{table}"'])
        row = cursor.fetchone()
    return max(0, int(row[0])) if row else 0
