"""Life cycles as tables, and the one way in which a status moves."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.db import models, transaction

from loyalty_portal.fastpath.sql import insert
from loyalty_portal.fastpath.updates import update


class IllegalTransitionError(Exception):
    """The table has no such step: a late contradiction, or a mistake of ours."""


class StaleStatusError(Exception):
    """Somebody else moved the row first; read it again and decide anew."""


class LifeCycle:
    """`table` maps each status to those that may follow; one without followers is final."""

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
    """A row whose status moves along a `LifeCycle`, leaving an event for each step."""

    life_cycle: ClassVar[LifeCycle]
    status_field: ClassVar[str] = "status"

    class Meta:
        abstract = True

    def event(self, before: str, after: str, *, by: Any = None, reason: str = "") -> models.Model:
        """The unsaved row of history for this step; `by` None is the portal itself."""
        raise NotImplementedError

    @property
    def is_final(self) -> bool:
        return getattr(self, self.status_field) in self.life_cycle.final

    def transition(
        self,
        to: str,
        *,
        by: Any = None,
        reason: str = "",
        write: Callable[..., object] | None = None,
        **changes: Any,
    ) -> None:
        """Move to `to`, together with `changes` to other columns, and write the event.

        `write` makes all these changes where another condition than the status decides, such as
        a lease, and tells whether it did. Raises IllegalTransitionError when the table does not
        allow it, StaleStatusError when the row is no longer as we read it.
        """
        before = getattr(self, self.status_field)
        if not self.life_cycle.allows(before, to):
            raise IllegalTransitionError(f"{self.life_cycle.name} {self.pk}: {before} to {to}")
        # No savepoint: whoever finds the row stale gives up the whole step.
        with transaction.atomic(savepoint=False):
            if not (write or self._if_as_read)(**{self.status_field: to, **changes}):
                raise StaleStatusError(f"{self.life_cycle.name} {self.pk} is not {before} any more")
            insert([self.event(before, to, by=by, reason=reason)])
        setattr(self, self.status_field, to)
        for name, value in changes.items():
            setattr(self, name, value)

    def _if_as_read(self, **changes: Any) -> int:
        as_read = {"pk": self.pk, self.status_field: getattr(self, self.status_field)}
        return update(type(self), as_read, changes)
