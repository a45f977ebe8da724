"""Searches of the back office that stay fast in tables of millions of rows.

A search is a few branches, each a query that one index answers. They are put together as keys, so
no search joins tables with OR, or reads a table from end to end.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import IntegerField, OuterRef, QuerySet, Subquery

from loyalty_portal.admin_site.counts import MOST

MOST_FOUND = 1_000  # rows of one branch
MOST_OWNERS = 10  # companies or people whose rows are looked for
_WORDS = 8
# ASCII punctuation separates words; letters of all scripts are parts of them.
_NOT_WORDS = re.compile(r"[\s!-/:-@\[-`{-~\x00-\x1f]+")


# Rows of the list itself; or rows of another table with the column that names those of the list.
Branch = QuerySet[Any] | tuple[QuerySet[Any], str]


@dataclass(frozen=True, slots=True)
class KeysFound:
    """What the branches of a search find. `in_part`: a branch finds more than it may."""

    keys: frozenset[Any]
    in_part: bool


def keys_found(branches: Sequence[Branch]) -> KeysFound:
    """The keys that the branches find, in one statement."""
    first, *others = [
        rows.values_list(column, flat=True)[: MOST_FOUND + 1]
        for rows, column in (
            branch if isinstance(branch, tuple) else (branch, "pk") for branch in branches
        )
    ]
    found = list(first.union(*others, all=True)) if others else list(first)
    return KeysFound(frozenset(found), len(found) > MOST_FOUND)


def with_words(rows: QuerySet[Any], term: str, *columns: str) -> QuerySet[Any]:
    """Rows of which the columns have all words of the term, each as the beginning of a word.

    The expression is that of the indexes `…_words`.
    """
    words = _NOT_WORDS.sub(" ", term).split()[:_WORDS]
    if not words:
        return rows.none()
    query = SearchQuery(
        " & ".join(f"'{word}':*" for word in words), config="simple", search_type="raw"
    )
    vector = SearchVector(*columns, config="simple")
    having: QuerySet[Any] = rows.order_by().alias(words=vector).filter(words=query)
    return having


def newest_of(
    rows: QuerySet[Any], column: str, owners: Iterable[Any], *, by: str = "-pk"
) -> list[Branch]:
    """The newest rows of each of these owners, a branch each: an index of the column has them in
    order.
    """
    return [rows.filter(**{column: owner}).order_by(by) for owner in list(owners)[:MOST_OWNERS]]


class _NumberOfRows(Subquery):
    template = "(SELECT count(*) FROM (%(subquery)s) AS owned)"
    output_field = IntegerField()


def number_of(rows: QuerySet[Any], owner: str) -> Subquery:
    """How many of these rows each row of a list owns, at most MOST + 1. PostgreSQL counts those of
    the rows of a page alone, unlike with a join, which counts all.
    """
    return _NumberOfRows(rows.filter(**{owner: OuterRef("pk")}).order_by().values("pk")[: MOST + 1])
