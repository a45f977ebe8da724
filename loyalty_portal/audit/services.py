"""Records what people did besides changing rows, whose history is written by triggers."""

from typing import Any

from django.db.models import Model

from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.http.where import happening_at, where


def record(
    kind: TrailKind,
    *,
    by: Actor,
    about: Model | None = None,
    what: str = "",
    facts: dict[str, Any] | None = None,
) -> None:
    """Add an entry to the trail, in the caller's transaction: one INSERT.

    `about` is the object, `what` its name in a few words, `facts` further details. Both must hold
    no secret and nothing personal, because they are never erased. Where it happened is known.
    """
    here = where()
    of_call = {"request_id": here.request_id} if here.request_id else {}
    TrailEntry(
        kind=kind,
        by_id=by.user_id,
        model=about._meta.label_lower if about else "",
        key=str(about.pk) if about else "",
        what=what[:255],
        facts={**(facts or {}), **of_call},
        place=here.place[:200],
        address=here.address,
    ).save(force_insert=True)


def record_command(name: str) -> None:
    """Record that a management command begins to change data. `name` is its own, without arguments,
    which may hold secrets or something personal. Who ran it on the machine is not recorded either.
    """
    with happening_at(name):
        record(TrailKind.COMMAND, by=SYSTEM, what=name)
