"""Life cycles as tables, and the function that changes a status."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from django.db import models, transaction

from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.fastpath.updates import update


class IllegalTransitionError(Exception):
    """The life cycle does not allow this step: a late message or a programming error."""


class StaleStatusError(Exception):
    """Somebody else changed the status first. Read the row again and decide anew."""


class LifeCycle:
    """A life cycle. `table` maps each status to those that may follow; a final one has none."""

    def __init__(
        self, name: str, *, initial: tuple[str, ...], table: Mapping[str, tuple[str, ...]]
    ) -> None:
        self.name = name
        self.initial = initial
        self.table = table
        self.final = frozenset(status for status, following in table.items() if not following)

    def allows(self, before: str, after: str) -> bool:
        return after in (self.table.get(before, ()) if before else self.initial)


class HasLifeCycle(models.Model):
    """A model whose status follows a `LifeCycle` and writes an event for each step."""

    life_cycle: ClassVar[LifeCycle]
    status_field: ClassVar[str] = "status"

    class Meta:
        abstract = True

    def event(
        self, before: str, after: str, *, by: Actor = SYSTEM, reason: str = ""
    ) -> models.Model:
        """Build the unsaved event for a step."""
        raise NotImplementedError

    @property
    def is_final(self) -> bool:
        return getattr(self, self.status_field) in self.life_cycle.final

    def transition(
        self,
        to: str,
        *,
        by: Actor = SYSTEM,
        reason: str = "",
        write: Callable[..., object] | None = None,
        **changes: Any,
    ) -> None:
        """Change the status to `to` together with other columns (`changes`), and write the event.

        It is one statement. `write` replaces it when another condition than the status decides,
        such as a lease; it inserts the rows `along`, and returns whether it wrote. Raises
        IllegalTransitionError when the life cycle does not allow the step, StaleStatusError when
        the row changed since it was read.
        """
        before = self._may_leave(to)
        told = self.event(before, to, by=by, reason=reason)
        # No savepoint is needed: a caller that finds the row stale gives up the whole transaction.
        with transaction.atomic(savepoint=False):
            if not (write or self._if_as_read)(along=[told], **{self.status_field: to, **changes}):
                raise StaleStatusError(f"{self.life_cycle.name} {self.pk} is not {before} any more")
        self._set_written(to, changes)

    def _may_leave(self, to: str) -> str:
        """The status that it leaves for `to`. Raises IllegalTransitionError if it may not."""
        before: str = getattr(self, self.status_field)
        if not self.life_cycle.allows(before, to):
            raise IllegalTransitionError(f"{self.life_cycle.name} {self.pk}: {before} to {to}")
        return before

    def _set_written(self, to: str, changes: Mapping[str, Any]) -> None:
        """Set the attributes to what was written to the row."""
        for name, value in {self.status_field: to, **changes}.items():
            setattr(self, name, value)

    def _if_as_read(self, *, along: Sequence[models.Model], **changes: Any) -> int:
        as_read = {"pk": self.pk, self.status_field: getattr(self, self.status_field)}
        return update(type(self), as_read, changes, along=along)


def transition_all(
    rows: Sequence[HasLifeCycle], to: str, *, by: Actor = SYSTEM, reason: str = "", **changes: Any
) -> None:
    """Change the status of several rows of one model to `to`, with the same `changes` and events.

    Makes one statement for each old status. A change may be an expression of the row's columns (F)
    that is the same at each call; read such an attribute from the database afterwards. Raises
    IllegalTransitionError and StaleStatusError as `transition` does, and then changes nothing.
    """
    by_status: dict[str, list[HasLifeCycle]] = defaultdict(list)
    for row in rows:
        by_status[row._may_leave(to)].append(row)  # noqa: SLF001 - of this module
    with transaction.atomic(savepoint=False):
        for before, group in by_status.items():
            told = [row.event(before, to, by=by, reason=reason) for row in group]
            _move_all(group, before, {group[0].status_field: to, **changes}, told)
    for row in rows:
        row._set_written(to, changes)  # noqa: SLF001 - of this module


def _move_all(
    rows: list[HasLifeCycle], before: str, changes: dict[str, Any], told: Sequence[models.Model]
) -> None:
    model, name = type(rows[0]), rows[0].status_field
    as_read = {"pk": [row.pk for row in rows], name: before}
    if update(model, as_read, changes, along=told) != len(rows):
        raise StaleStatusError(f"Not all of {len(rows)} {model.__name__} rows are {before} still")
