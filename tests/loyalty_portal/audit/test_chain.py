"""The chain over the history: whoever changes, removes, adds or swaps rows is found."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Barrier
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from catalog.models import Product
from loyalty_portal.audit import chain
from loyalty_portal.audit.chain import head, publish
from loyalty_portal.audit.erasing import NotChainedError, erase_personal
from loyalty_portal.audit.models import ChainLink, RowSalt, TrailEntry, TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.audit.sources import is_history, sources
from loyalty_portal.audit.tasks import log_head
from loyalty_portal.audit.verifying import verify
from loyalty_portal.data.actor import SYSTEM, Actor
from tests.accounts.factories import UserFactory
from tests.catalog.factories import ProductFactory

TRAIL = "audit_trailentry"
LINKS = "audit_chainlink"


def tampered(statement: str) -> None:
    """Run SQL as somebody who switches the triggers off."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement)


def entries(number: int) -> list[int]:
    """Add so many entries to the trail. Returns their numbers."""
    for each in range(number):
        record(TrailKind.COMMAND, by=SYSTEM, what=f"entry {each}")
    return sorted(TrailEntry.objects.values_list("pk", flat=True))[-number:]


def wrong() -> list[str]:
    return verify().wrong


@pytest.mark.django_db
def test_an_untouched_history_is_verified_and_the_command_says_so() -> None:
    product = ProductFactory.create(points_cost=1000)
    product.points_cost = 900
    product.save()
    entries(3)
    assert publish() > 5
    assert publish() == 0
    told = StringIO()
    call_command("verify_audit", stdout=told)
    assert "0 rows wait" in told.getvalue()
    assert str(head()) in told.getvalue()
    assert {"catalog.ProductChange", "audit.TrailEntry", "inventory.StockMovement"} <= set(
        ChainLink.objects.values_list("label", flat=True)
    )


@pytest.mark.django_db
def test_rows_that_wait_for_the_publisher_are_counted_and_not_wrong() -> None:
    publish()
    entries(2)
    found = verify()
    assert (found.waiting, found.wrong) == (2, [])


TAMPERINGS: dict[str, Callable[[list[int]], tuple[str, str]]] = {
    "changed": lambda rows: (
        f"UPDATE {TRAIL} SET what = 'nothing' WHERE id = {rows[1]}",
        f"audit.TrailEntry id {rows[1]} (link 1) was changed",
    ),
    "deleted": lambda rows: (
        f"DELETE FROM {TRAIL} WHERE id = {rows[1]}",
        f"audit.TrailEntry id {rows[1]} (link 1) is missing",
    ),
    "inserted": lambda rows: (
        (
            f"INSERT INTO {TRAIL} (id, kind, model, key, what, facts, place, address)"
            f" VALUES ({rows[0] - 1}, 'command', '', '', '', '{{}}', '', '')"
        ),
        f"audit.TrailEntry id {rows[0] - 1} was inserted before link 1",
    ),
    "swapped": lambda rows: (
        (
            f"UPDATE {TRAIL} row SET what = other.what FROM {TRAIL} other WHERE row.id IN"
            f" ({rows[0]}, {rows[1]}) AND other.id = {rows[0] + rows[1]} - row.id"
        ),
        f"audit.TrailEntry id {rows[0]} (link 1) was changed",
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("how", TAMPERINGS)
def test_a_row_that_somebody_touched_is_named(how: str) -> None:
    TrailEntry(kind=TrailKind.COMMAND).save()
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), 1000)", [TRAIL])
    tampered(f"DELETE FROM {TRAIL}")
    rows = entries(3)
    publish()
    assert wrong() == []
    statement, sentence = TAMPERINGS[how](rows)
    tampered(statement)
    assert sentence in wrong()
    with pytest.raises(CommandError, match="not as it was written"):
        call_command("verify_audit", stdout=StringIO())


@pytest.mark.django_db
def test_the_price_in_the_change_history_cannot_be_rewritten_unseen() -> None:
    product = ProductFactory.create(points_cost=1000)
    Product.objects.filter(pk=product.pk).update(points_cost=10)
    publish()
    tampered("UPDATE catalog_productchange SET points_cost = 1000")
    assert any("catalog.ProductChange" in each and "changed" in each for each in wrong())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (f"UPDATE {LINKS} SET upto = upto + 1 WHERE number = 2", "link 2 was changed"),
        (f"DELETE FROM {LINKS} WHERE number = 2", "link 2 is missing before link 3"),
        (
            f"UPDATE {LINKS} SET previous = hash WHERE number = 3",
            "link 3 does not follow the link before it",
        ),
    ],
)
def test_a_link_that_somebody_touched_is_named(statement: str, sentence: str) -> None:
    for _each in range(3):
        entries(1)
        publish()
    tampered(statement)
    assert sentence in wrong()


@pytest.mark.django_db
def test_a_chain_that_was_cut_off_lacks_a_head_that_the_log_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    entries(1)
    publish()
    entries(1)
    publish()
    caplog.set_level("INFO")
    log_head()
    logged = str(head())
    assert f"the head of the chain is {logged}" in caplog.text
    assert verify((logged,)).wrong == []
    tampered(f"DELETE FROM {LINKS} WHERE number = 2")
    tampered(f"DELETE FROM {TRAIL} WHERE id = (SELECT max(id) FROM {TRAIL})")
    assert wrong() == []
    assert verify((logged,)).wrong == [f"the head {logged} is not in the chain"]


@pytest.mark.django_db
def test_the_head_of_a_day_is_in_the_log_also_without_a_broker(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    entries(1)
    publish()
    entries(1)
    publish()
    assert "the head of the chain" not in caplog.text
    ends = str(head())
    tampered(f"UPDATE {LINKS} SET at = at - interval '1 day'")
    entries(1)
    publish()
    assert caplog.text.count(f"the head of the chain is {ends}") == 1


@pytest.mark.django_db
def test_erasing_a_person_leaves_the_chain_whole_and_nothing_of_the_person() -> None:
    person = UserFactory.create(email="ingrid@example.test", name="Ingrid")
    User.objects.filter(pk=person.pk).update(name="Ada Byron")
    history = apps.get_model("accounts.UserChange")
    numbers = list(history.objects.filter(pgh_obj=person).values_list("pk", flat=True))
    with pytest.raises(NotChainedError):
        erase_personal(history, numbers)
    publish()
    assert erase_personal(history, numbers) == 2
    assert set(history.objects.filter(pk__in=numbers).values_list("email", "name")) == {("", "")}
    salts = RowSalt.objects.filter(label="accounts.UserChange", number__in=numbers)
    assert {salt.salt for salt in salts} == {None}
    assert "ingrid" not in str([salt.kept for salt in salts]).lower()
    assert erase_personal(history, numbers) == 0
    assert wrong() == []
    tampered(f"UPDATE accounts_userchange SET name = 'Eve' WHERE pgh_id = {numbers[0]}")
    assert len(wrong()) == 1


@pytest.mark.django_db
def test_a_column_that_a_later_version_adds_changes_no_digest() -> None:
    entries(2)
    publish()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {TRAIL} ADD COLUMN later text DEFAULT 'x'")
    assert wrong() == []


@pytest.mark.django_db
def test_every_table_of_history_is_in_the_chain() -> None:
    covered = set(sources())
    history = {model._meta.label for model in apps.get_models() if is_history(model)}
    missing = history - covered - {"audit.ChainLink"}
    assert not missing, (
        f"{sorted(missing)}: add a column `chain_order bigint GENERATED BY DEFAULT AS IDENTITY` "
        "with a unique index in a migration (loyalty_portal/audit/migrations/0002_rows_in_order.py)"
    )


# --- Several at once -------------------------------------------------------------------------


def in_another_connection(work: Callable[[], Any]) -> Any:
    """The result of `work` in a thread with a connection of its own."""

    def run() -> Any:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def late_row_is_found_wrong() -> list[str]:
    """A transaction takes a number and commits after rows with higher numbers were published."""
    publish()
    with transaction.atomic():
        entries(1)
        in_another_connection(lambda: entries(1))
        in_another_connection(publish)
        in_another_connection(publish)
    publish()
    publish()
    assert verify().waiting == 0
    return wrong()


@pytest.mark.django_db(transaction=True)
def test_a_row_whose_transaction_ends_late_is_chained_in_its_place() -> None:
    assert late_row_is_found_wrong() == []


@pytest.mark.django_db(transaction=True)
def test_without_waiting_for_writers_a_late_row_would_look_inserted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # replaced: the guard itself, to see the bug that it prevents.
    monkeypatch.setattr(chain, "writers", set)
    [sentence] = late_row_is_found_wrong()
    assert "was inserted before link" in sentence


def publish_twice_at_once(turns: int) -> list[Any]:
    start = Barrier(2)

    def run() -> Any:
        try:
            start.wait()
            return sum(publish() for _turn in range(turns))
        except IntegrityError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        return [done.result() for done in [pool.submit(run), pool.submit(run)]]


@pytest.mark.django_db(transaction=True)
def test_two_publishers_at_once_write_one_chain() -> None:
    entries(300)
    done = publish_twice_at_once(5)
    publish()
    assert not any(isinstance(each, Exception) for each in done)
    found = verify()
    assert (found.wrong, found.waiting) == ([], 0)


@pytest.mark.django_db(transaction=True)
def test_without_their_lock_two_publishers_get_in_each_others_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries(1)
    publish()
    meet, last = Barrier(2, timeout=60), chain.head

    def head_at_once() -> Any:
        found = last()
        meet.wait()
        return found

    # replaced: the guard itself, to see the bug that it prevents.
    monkeypatch.setattr(chain, "is_alone", lambda _lock: True)
    # replaced: both read the same last link, which without the guard may happen at any time.
    monkeypatch.setattr(chain, "head", head_at_once)
    entries(3)
    errors = [each for each in publish_twice_at_once(1) if isinstance(each, Exception)]
    assert errors


@pytest.mark.django_db(transaction=True)
def test_an_order_waits_for_no_publisher() -> None:
    """Rows are written and committed while a publisher is in the middle of its work."""
    with transaction.atomic():
        entries(1)
        publish()
        in_another_connection(lambda: record(TrailKind.COMMAND, by=SYSTEM, what="meanwhile"))
        assert TrailEntry.objects.filter(what="meanwhile").exists()


@pytest.mark.django_db
def test_who_acts_and_where_enter_the_trail(client: Any) -> None:
    person = UserFactory.create()
    record(TrailKind.EXPORTED, by=Actor.person(person), about=person, what="List of people")
    entry = TrailEntry.objects.get()
    assert (entry.by, entry.model, entry.key) == (person, "accounts.user", str(person.pk))
