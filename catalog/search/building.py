"""Writes the index: builds it anew from PostgreSQL, and replaces products that changed."""

import json
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import tantivy
from django.db import connection, transaction
from django.db.models import Q
from django.utils.dateparse import parse_datetime

from catalog.models import Product
from catalog.search import folders
from catalog.search.documents import IndexRow, documents, index_rows
from catalog.search.schema import SCHEMA
from catalog.search.state import FollowerState, write_state
from loyalty_portal.feed.touches import FeedPlace, place_now

HEAP_BYTES = 96_000_000  # of the writer, before it writes a part to disk
SMALL_HEAP_BYTES = 32_000_000
_POSITION = "place"
_CHUNK = 2_000


def position_document(place: FeedPlace, *, told_for: datetime) -> tantivy.Document:
    """Where the index stands, kept in the index itself so that both are committed as one.

    `told_for`: the moment for which offers are told.
    """
    told = {
        "snapshot": place.snapshot,
        "at": place.at.isoformat(),
        "database": place.database,
        "told_for": told_for.isoformat(),
    }
    fields = {"key": _POSITION, "position": json.dumps(told)}
    return tantivy.Document.from_dict(fields, SCHEMA)


def read_position(index: tantivy.Index) -> tuple[FeedPlace, datetime]:
    """Where an index stands, and the moment for which its offers are told.

    Raises `folders.IndexUnusableError`.
    """
    index.reload()
    searcher = index.searcher()
    hits = searcher.search(tantivy.Query.term_query(SCHEMA, "key", _POSITION), limit=1).hits
    if not hits:
        raise folders.IndexUnusableError("it does not say where it stands")
    told = json.loads(str(searcher.doc(hits[0][1]).get_first("position")))
    at, told_for = parse_datetime(told["at"]), parse_datetime(told["told_for"])
    if at is None or told_for is None:
        raise folders.IndexUnusableError("its place has no time")
    return FeedPlace(told["snapshot"], at, told["database"]), told_for


def replace_position(writer: tantivy.IndexWriter, place: FeedPlace, *, told_for: datetime) -> None:
    """Say, with the next commit, where the index stands."""
    writer.delete_documents_by_term("key", _POSITION)
    writer.add_document(position_document(place, told_for=told_for))


def build(*, tell: Callable[[int], None] = lambda _done: None) -> tuple[Path, int]:
    """Build the index anew beside the one in use, and switch to it. Returns folder and products.

    `tell` gets the number of products now and then. Raises OSError when the folder cannot be
    written; a part of a build is removed.
    """
    folder = folders.new_build()
    began = time.monotonic()
    try:
        place, count = _fill(folder, tell)
        folders.write_manifest(folder)
        folders.verify(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    folders.switch_to(folder)
    took = timedelta(seconds=time.monotonic() - began)
    write_state(FollowerState(at=place.at + took, place_at=place.at, waiting=0))
    return folder, count


def _fill(folder: Path, tell: Callable[[int], None]) -> tuple[FeedPlace, int]:
    index = tantivy.Index(SCHEMA, path=str(folder), reuse=False)
    try:
        writer = index.writer(heap_size=HEAP_BYTES, num_threads=1)
    except ValueError as error:
        raise OSError(str(error)) from error
    place = place_now()  # before anything is read
    now = place.at
    count = 0
    for made in documents(counted(all_rows(), tell), now=now):
        writer.add_document(made)
        count += 1
    writer.add_document(position_document(place, told_for=now))
    writer.commit()
    writer.wait_merging_threads()
    return place, count


def counted(rows: Iterable[IndexRow], tell: Callable[[int], None]) -> Iterator[IndexRow]:
    """Pass rows on, and tell their number every so many."""
    for number, row in enumerate(rows, 1):
        yield row
        if number % 5_000 == 0:
            tell(number)


def all_rows() -> Iterator[IndexRow]:
    """All products, those of a family one after the other."""
    with transaction.atomic(durable=False):
        with connection.cursor() as cursor:
            # One sort of all rows: by an index each row would be read from another page.
            cursor.execute("SET LOCAL enable_indexscan = off")
        for row in index_rows(Product.objects.all()).iterator(chunk_size=_CHUNK):
            yield IndexRow(*row)


def rows_of(keys: Collection[UUID]) -> list[IndexRow]:
    """The products with these keys, and all of the families and categories that they name or
    belong to, since the products of a family are indexed together.
    """
    keys = list(keys)
    named = Product.objects.filter(Q(pk__in=keys) | Q(family__in=keys) | Q(category__in=keys))
    families: set[UUID] = set()
    alone: list[UUID] = []
    for key, family in named.order_by().values_list("pk", "family_id"):
        if family is None:
            alone.append(key)
        else:
            families.add(family)
    found = index_rows(Product.objects.filter(Q(pk__in=alone) | Q(family__in=families)))
    return [IndexRow(*row) for row in found]


def replace_products(
    writer: tantivy.IndexWriter, keys: Collection[UUID], *, now: datetime
) -> Sequence[Any]:
    """Write these products, families and categories again, with the next commit. Returns the
    products.
    """
    rows = rows_of(keys)
    for key in {*keys, *(row.id for row in rows)}:
        writer.delete_documents_by_term("key", key.hex)
    for made in documents(rows, now=now):
        writer.add_document(made)
    return rows


def turned_between(first: datetime, last: datetime) -> list[UUID]:
    """The products whose offer begins or ends between two moments."""
    early, late = min(first, last), max(first, last)
    span = (early, late)
    return list(
        Product.objects.filter(
            Q(available_from__range=span) | Q(available_until__range=span), is_active=True
        ).values_list("pk", flat=True)
    )
