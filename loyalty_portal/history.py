"""Change history by triggers: whatever writes a tracked table, its history is written too."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pghistory
from django.db import models
from django.http import HttpRequest, HttpResponse
from pghistory.middleware import HistoryMiddleware

from loyalty_portal.client_address import client_address

Model = TypeVar("Model", bound=type[models.Model])


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
