"""Change history by triggers: whatever writes a tracked table, its history is written too."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pghistory
from django.db import models

Model = TypeVar("Model", bound=type[models.Model])


def tracked(*, leave_out: Sequence[str] = ()) -> Callable[[Model], Model]:
    """Keep each insert, update and delete, but for changes of the columns in `leave_out`.

    The history of `Product` is the model `ProductChange`, reached as `product.changes`.
    """

    def track(model: Model) -> Model:
        decorate = pghistory.track(
            pghistory.InsertEvent(),
            pghistory.UpdateEvent(),
            pghistory.DeleteEvent(),
            exclude=list(leave_out),
            model_name=f"{model.__name__}Change",
            obj_field=pghistory.ObjForeignKey(related_name="changes", related_query_name="change"),
        )
        return decorate(model)  # type: ignore[no-any-return]

    return track
