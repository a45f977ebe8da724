"""The import of products as a job. It is here because it also sets the stock of new products."""

from collections.abc import Mapping
from uuid import UUID

from catalog.backoffice.exchange.writing import import_kind
from inventory.services import open_stock
from loyalty_portal.data.actor import Actor


def _take_stock(pieces: Mapping[UUID, int | None], by: Actor) -> None:
    open_stock(pieces=pieces, reason="Import", by=by)


IMPORT = import_kind(take_stock=_take_stock)
