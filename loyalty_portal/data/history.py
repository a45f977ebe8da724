"""Change history by triggers: whatever writes a tracked table, its history is written too.

And history stays: `append_only()` are the triggers of a table whose rows nobody changes, whatever
program or person asks, with the portal's own role of the database. Every such table is named in
docs/decisions/0020-history-stays.md, with the few exceptions.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pghistory
import pgtrigger
from django.db import models
from django.http import HttpRequest, HttpResponse
from pghistory.middleware import HistoryMiddleware

from loyalty_portal.http.client_address import client_address

Model = TypeVar("Model", bound=type[models.Model])

# Only tests set this, to empty their database (tests/conftest.py).
_UNLESS_IT_MAY_GO = """
    IF current_setting('portal.history_may_go', true) IS DISTINCT FROM 'yes' THEN
        RAISE EXCEPTION 'Cannot empty the table %: history stays', TG_TABLE_NAME;
    END IF;
    RETURN NULL;
"""


def append_only(*, once: pgtrigger.Q | None = None) -> list[pgtrigger.Trigger]:
    """Refuse UPDATE (of all rows, or of those of which `once` holds), DELETE and TRUNCATE."""
    return [
        pgtrigger.Protect(name="rows_stay_as_they_are", operation=pgtrigger.Update, condition=once),
        pgtrigger.Protect(name="rows_stay", operation=pgtrigger.Delete),
        pgtrigger.Trigger(
            name="table_stays",
            level=pgtrigger.Statement,
            when=pgtrigger.Before,
            operation=pgtrigger.Truncate,
            func=_UNLESS_IT_MAY_GO,
        ),
    ]


def tracked(
    *, leave_out: Sequence[str] = (), told_by_events: bool = False
) -> Callable[[Model], Model]:
    """Keep each insert, update and delete, but for changes of the columns in `leave_out`.

    The history of `Product` is the model `ProductChange`, reached as `product.changes`.
    `told_by_events`: an event of its own, written with it, tells of each row's beginning and of
    each step. Then what a change replaced is kept, which with the row as it is makes the whole
    history, and nothing is written twice when the row is made.
    """
    kept = (
        (pghistory.UpdateEvent("replaced", row=pghistory.Old), pghistory.DeleteEvent())
        if told_by_events
        else (pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())
    )

    def track(model: Model) -> Model:
        decorate = pghistory.track(
            *kept,
            exclude=list(leave_out),
            model_name=f"{model.__name__}Change",
            meta={"triggers": append_only()},
            obj_field=pghistory.ObjForeignKey(related_name="changes", related_query_name="change"),
        )
        return decorate(model)  # type: ignore[no-any-return]

    return track


class StaffHistoryMiddleware(HistoryMiddleware):
    """Notes who made a change in the admin, and from which address, beside the change.

    Not in the portal: there the order's own events say who, and the note would go with each of
    the statements that place an order.
    """

    def get_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().get_context(request), "address": client_address(request)}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/admin/"):
            response: HttpResponse = super().__call__(request)  # type: ignore[no-untyped-call]
            return response
        return self.get_response(request)  # type: ignore[no-any-return]
