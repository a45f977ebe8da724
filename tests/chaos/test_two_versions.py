"""The old and the new version run together during a deploy, on the same rows and queue. Nothing is
lost of what one of them does not know.

tests/house/schema/test_migrations.py shows that migrations take nothing from the old version.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddField, CreateModel
from django.db.models.functions import Now

from redemption.invariants.checks import check_invariants
from redemption.models import Letter, LoyaltyTransaction
from redemption.states import OrderStatus, TransactionStatus
from tests.redemption.world import ROOMS, World, make_all_due
from tests.support.stack import Stack
from tests.support.visitor import Visitor
from tests.support.waiting import eventually

Message = dict[str, Any]


def of_another_name(message: Message) -> None:
    message["headers"]["task"] = "redemption.saga.tasks.settle_some_other_way"


def with_one_more_argument(message: Message) -> None:
    _rewrite(message, lambda arguments, named: ([*arguments, "in a hurry"], named))


def by_another_keyword(message: Message) -> None:
    _rewrite(message, lambda arguments, _named: ([], {"row": arguments[0]}))


def _rewrite(message: Message, say: Callable[[list[str], Message], tuple[object, object]]) -> None:
    arguments, named, rest = json.loads(base64.b64decode(message["body"]))
    said = [*say(arguments, named), rest]
    message["body"] = base64.b64encode(json.dumps(said).encode()).decode()


def test_a_worker_bears_messages_of_another_version_and_the_rows_are_finished(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    """The worker drops unknown messages and goes on; the sweeper finds their rows."""
    stack.sweeper.stop()
    stack.worker.kill()
    stack.redis.flush()
    path = shop.virtual().get_absolute_url()
    alterations = (of_another_name, with_one_more_argument, by_another_keyword)
    strange = [visitor.redeem(path) for _each in alterations]
    with stack.redis.client() as redis:
        messages = [json.loads(each) for each in redis.lrange("loyalty", 0, -1)]
        assert len(messages) == len(strange)
        redis.delete("loyalty")
        for alter, message in zip(alterations, messages, strict=True):
            alter(message)
            redis.lpush("loyalty", json.dumps(message))
    known = visitor.redeem(path)

    stack.worker.start()

    assert stack.ends(known) == [OrderStatus.COMPLETED]
    eventually(lambda: not waiting(stack), "all messages are taken and done with")
    assert stack.worker.is_running
    debits = LoyaltyTransaction.objects.due().filter(order__order_number__in=strange)
    assert set(debits.values_list("status", flat=True)) == {TransactionStatus.INTENDED}
    assert debits.count() == len(strange)
    stack.sweeper.start()
    assert stack.ends(*strange) == [OrderStatus.COMPLETED] * len(strange)
    assert not stack.violations()


def waiting(stack: Stack) -> int:
    """The number of messages that no worker has taken or acknowledged."""
    with stack.redis.client() as redis:
        return int(redis.llen("loyalty")) + int(redis.hlen("unacked"))


def later_columns() -> Iterator[tuple[str, str]]:
    """The columns that later migrations added to the first version's tables."""
    loader = MigrationLoader(None)
    models = loader.project_state().apps
    firsts = {
        (room, step.name_lower)
        for (room, _name), migration in loader.disk_migrations.items()
        if migration.initial
        for step in migration.operations
        if isinstance(step, CreateModel)
    }
    for (room, _name), migration in sorted(loader.disk_migrations.items()):
        if room not in ROOMS or migration.initial:
            continue
        for step in migration.operations:
            if isinstance(step, AddField) and not step.field.many_to_many:
                model = models.get_model(room, step.model_name)
                if hasattr(model, "pgh_obj"):
                    continue  # history is append-only
                if (room, step.model_name_lower) not in firsts:
                    continue  # a table of its own, of which the first version wrote no row
                yield model._meta.db_table, model._meta.get_field(step.name).column


def as_the_first_version_wrote_them() -> None:
    """Set later columns to the values that an INSERT of the first version leaves."""
    with connection.cursor() as cursor:
        for table, column in LATER:
            cursor.execute(f"UPDATE {table} SET {column} = DEFAULT")


LATER = list(later_columns())


@pytest.mark.django_db(transaction=True)
def test_rows_that_the_first_version_wrote_are_finished_by_this_one(world: World) -> None:
    order = world.place((world.virtual(), 1))

    def has_ended_after_a_step() -> bool:
        as_the_first_version_wrote_them()
        make_all_due()
        call_command("sweep", "--once", verbosity=0)
        order.refresh_from_db()
        return order.is_final

    eventually(has_ended_after_a_step, "the order ends, once the partner has delivered")
    assert order.status == OrderStatus.COMPLETED
    assert not check_invariants(at_rest=True)


@pytest.mark.django_db(transaction=True)
def test_a_letter_of_the_next_version_is_sent_by_the_next_version(
    world: World, settings: LazySettings, tmp_path: Path
) -> None:
    order = world.place((world.virtual(), 1))
    letter = Letter.objects.create(order=order, kind="thanked", key="thanked", to="ada@n.example")

    call_command("sweep", "--once", verbosity=0)
    assert not any("Thank you" in each.subject for each in mail.outbox)
    letter.refresh_from_db()
    assert (letter.sent_at, letter.raised) == (None, 1)

    folder = tmp_path / "redemption" / "email"
    folder.mkdir(parents=True)
    for end in ("subject.txt", "txt", "html"):
        (folder / f"thanked.{end}").write_text("Thank you")
    engines: list[Any] = settings.TEMPLATES
    [engine] = engines
    settings.TEMPLATES = [{**engine, "DIRS": [*engine["DIRS"], tmp_path]}]
    Letter.objects.filter(pk=letter.pk).update(next_attempt_at=Now(), lease_until=None)
    call_command("sweep", "--once", verbosity=0)
    assert [each.subject for each in mail.outbox].count("Thank you") == 1
    letter.refresh_from_db()
    assert letter.sent_at is not None
