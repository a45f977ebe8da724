"""Change history by database triggers, so that every writer is recorded.

`append_only()` makes the triggers for a table whose rows must not change, not even through SQL with
the portal's own role. docs/decisions/0020-history-stays.md lists these tables and the exceptions.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import pghistory
import pgtrigger
from django.db import models
from django.http import HttpRequest, HttpResponse
from pghistory.middleware import HistoryMiddleware

from loyalty_portal.data.actor import Actor
from loyalty_portal.http.client_address import client_address
from loyalty_portal.http.where import happening_at

Model = TypeVar("Model", bound=type[models.Model])

# Only the tests set this, to empty their database (tests/conftest.py).
_UNLESS_IT_MAY_GO = """
    IF current_setting('portal.history_may_go', true) IS DISTINCT FROM 'yes' THEN
        RAISE EXCEPTION 'Cannot empty the table %: history stays', TG_TABLE_NAME;
    END IF;
    RETURN NULL;
"""


def append_only(*, once: pgtrigger.Q | None = None) -> list[pgtrigger.Trigger]:
    """Triggers that refuse DELETE, TRUNCATE and UPDATE.

    With `once` only updates of rows that satisfy the condition are refused.
    """
    return [
        pgtrigger.Protect(name="rows_stay_as_they_are", operation=pgtrigger.Update, condition=once),
        *never_deleted(),
    ]


def never_deleted() -> list[pgtrigger.Trigger]:
    """Triggers that refuse DELETE and TRUNCATE."""
    return [
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
    *,
    leave_out: Sequence[str] = (),
    told_by_events: bool = False,
    had_rows: bool = False,
    without_value: Sequence[str] = (),
) -> Callable[[Model], Model]:
    """Record each insert, update and delete of a model, except changes of columns in `leave_out`.

    Of a column in `without_value` it is recorded that it changed, with its name as the label, and
    never its value.

    The history of `Product` is the model `ProductChange`, reached as `product.changes`.
    `told_by_events`: the model has events of its own for its creation and each step. Then only
    replaced and deleted rows are recorded; together with the current row they are the whole
    history, and an insert writes no row twice.
    `had_rows`: the table had rows before it had a history. An update keeps the row as it was, so
    that the first change of such a row tells from what to what, too.
    """
    updated = (
        pghistory.UpdateEvent("replaced", row=pghistory.Old)
        if told_by_events or had_rows
        else pghistory.UpdateEvent()
    )
    added = () if told_by_events else (pghistory.InsertEvent(),)
    kept = (*added, updated, pghistory.DeleteEvent())

    noted = [
        pghistory.UpdateEvent(name, condition=pghistory.AnyChange(name)) for name in without_value
    ]

    def track(model: Model) -> Model:
        decorate = pghistory.track(
            *kept,
            *noted,
            exclude=[*leave_out, *without_value],
            model_name=f"{model.__name__}Change",
            meta={"triggers": append_only()},
            obj_field=pghistory.ObjForeignKey(related_name="changes", related_query_name="change"),
            # pghistory's own key has 32 bits, which a busy portal would use up.
            attrs={"pgh_id": models.BigAutoField(primary_key=True)},
        )
        return decorate(model)  # type: ignore[no-any-return]

    return track


@contextmanager
def changed_by(by: Actor, command: str) -> Iterator[None]:
    """Record with each change in this block who made it, and in which command."""
    with happening_at(command), pghistory.context(user=_key(by), command=command):
        yield


def _key(by: Actor) -> str | None:
    return str(by.user_id) if by.user_id else None


class StaffHistoryMiddleware(HistoryMiddleware):
    """Records user and IP address with each change made in the admin, and for all pages where
    what is recorded happened.

    The portal's changes have no context: an order's events name the person, and the context would
    be sent with each statement.
    """

    def get_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().get_context(request), "address": client_address(request)}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with happening_at(request):
            if request.path_info.startswith("/admin/"):
                response: HttpResponse = super().__call__(request)  # type: ignore[no-untyped-call]
                return response
            return self.get_response(request)  # type: ignore[no-any-return]
