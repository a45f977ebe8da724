"""The sweeper and the tasks: every order ends without Celery, and sooner with it."""

import uuid
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from celery import Task
from django.core import mail
from django.core.management import call_command
from django.test import Client

from accounts import loyalty
from accounts.models import AccountManager, Role
from fulfillment.models import PartnerCall
from fulfillment.virtual.saga import ask
from loyalty_portal import celery
from loyalty_portal.celery import nudge
from redemption.models import Callback, Letter, RedemptionOrder
from redemption.saga import tasks, transactions
from redemption.saga.queues import Queue
from redemption.saga.transactions import settle_transaction
from redemption.states import OrderStatus
from tests.redemption.pages import address
from tests.redemption.saga.test_webhooks import ended, send, signed
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)


def sweep() -> str:
    told = StringIO()
    call_command("sweep", "--once", stdout=told)
    return told.getvalue()


def status(order: RedemptionOrder) -> str:
    return RedemptionOrder.objects.get(pk=order.pk).status


def test_the_sweeper_alone_takes_an_order_to_its_end(world: World) -> None:
    world.partners.dial(mode="instant")
    order = world.place((world.virtual(points=500), 2))
    for _ in range(3):
        sweep()
    assert status(order) == OrderStatus.COMPLETED
    assert {letter.subject for letter in mail.outbox}
    assert not Letter.objects.filter(sent_at=None).exists()
    assert sweep().startswith("0 transactions, 0 partner calls")


HEARD: list[uuid.UUID] = []
# a queue of another room, which only the settings name
ECHOES = Queue("echoes", Letter, HEARD.append)


def test_the_sweeper_works_the_queues_that_the_settings_name_and_no_others(
    world: World, settings: Any
) -> None:
    order = world.place((world.product(), 1))
    settings.WORK_QUEUES = ["redemption.saga.queues.CALLBACKS"]
    assert sweep().startswith("0 callbacks")
    assert status(order) == OrderStatus.PENDING
    settings.WORK_QUEUES = ["redemption.saga.queues.TRANSACTIONS", f"{__name__}.ECHOES"]
    HEARD.clear()
    sweep()
    assert status(order) == OrderStatus.CONFIRMED
    assert [order.letters.get().pk] == HEARD


def test_one_poisonous_row_does_not_hold_up_the_others(world: World) -> None:
    poisonous, sound = world.place((world.product(), 1)), world.place((world.product(), 1))
    sweep()
    mail.outbox.clear()
    Letter.objects.update(sent_at=None, attempts=0, next_attempt_at="2020-01-01T00:00:00Z")
    Letter.objects.filter(order=poisonous).update(kind="of no kind")
    sweep()
    assert Letter.objects.get(order=poisonous).sent_at is None
    assert Letter.objects.get(order=sound).sent_at is not None


def test_each_task_makes_one_step_and_nudges_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, str]] = []

    def note(task: Task, arguments: tuple[str], **options: Any) -> None:
        sent.append((task.name.rpartition(".")[2], arguments[0]))

    # replaced: Celery's sending: what is sent is what the test looks at
    monkeypatch.setattr(Task, "apply_async", note)
    world.partners.dial(mode="accept", delay=3600)
    order = world.place((world.virtual(points=500), 1))
    tasks.settle_transaction(str(world.debit(order).pk))
    assert sorted(name for name, _ in sent) == ["request_fulfillment", "send_letter"]
    sent.clear()
    tasks.settle_transaction(str(world.debit(order).pk))  # a second run does nothing
    assert sent == []
    tasks.request_fulfillment(str(PartnerCall.objects.get().pk))
    tasks.request_fulfillment(str(PartnerCall.objects.get().pk))
    sent.clear()
    callback = ended(world, order, "delivered")
    for _time in range(2):
        send(callback, signed(callback, webhook_id="msg_1"))
    assert sent == [("process_callback", str(Callback.objects.get().pk))]
    sent.clear()
    tasks.process_callback(str(Callback.objects.get().pk))  # asks the partner, too
    tasks.process_callback(str(Callback.objects.get().pk))
    tasks.ask_how_it_stands(str(world.fulfillment(order).pk))  # nothing is left to ask
    assert status(order) == OrderStatus.COMPLETED
    assert {name for name, _ in sent} == {"send_letter"}
    for letter in Letter.objects.all():
        tasks.send_letter(str(letter.pk))
        tasks.send_letter(str(letter.pk))
    assert len(mail.outbox) == Letter.objects.count()


def test_each_queue_of_its_own_is_for_a_task_that_there_is(settings: Any) -> None:
    assert set(settings.CELERY_TASK_ROUTES) <= set(celery.app.tasks)


def test_what_a_person_does_on_a_page_is_queued_at_once(
    world: World, client_for: Callable[[AccountManager], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    # replaced: Celery's sending: what is sent is what the test looks at
    monkeypatch.setattr(Task, "apply_async", lambda _task, ids, **_options: sent.extend(ids))
    cancelled = world.place((world.product(), 1))
    settle_transaction(world.debit(cancelled).pk)
    client_for(world.seat).post(address(cancelled, "cancel"))
    assert sent == [str(world.credits(cancelled)[0].pk)]
    world.company.approval_threshold = 0
    world.company.save()
    approved = world.place((world.product(), 1))
    client_for(world.new_seat(Role.APPROVER)).post(address(approved, "approve"))
    assert str(world.debit(approved).pk) in sent[1:]


def test_a_broker_that_does_not_answer_fails_nothing_and_is_left_alone_for_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def fail(task: Task, arguments: tuple[str], **options: Any) -> None:
        tried.append(arguments[0])
        raise ConnectionError("no broker")

    # replaced: Celery's sending: no broker fails with an error of our choice
    monkeypatch.setattr(Task, "apply_async", fail)
    # replaced: a process that has not met the failed broker yet
    monkeypatch.setattr(celery._broker, "rest_until", 0.0)
    for _ in range(3):
        nudge(tasks.settle_transaction, uuid.uuid4())
    assert len(tried) == 1
    celery._broker.rest_until = 0.0


def test_a_letter_that_the_mail_server_refuses_is_tried_again(world: World, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    order = world.place((world.product(), 1))
    transactions.settle_transaction(world.debit(order).pk)
    letter = Letter.objects.get()
    tasks.send_letter(str(letter.pk))
    letter.refresh_from_db()
    assert (letter.sent_at, letter.problem) == (None, "ConnectionRefusedError")
    assert letter.next_attempt_at is not None
    Letter.objects.update(attempts=20, next_attempt_at="2020-01-01T00:00:00Z")
    tasks.send_letter(str(letter.pk))
    letter.refresh_from_db()
    assert letter.next_attempt_at is None  # it waits for a person


def test_a_process_that_died_while_asking_about_points_is_followed_by_another(world: World) -> None:
    order = world.place((world.product(), 1))
    debit = world.debit(order)
    claim = transactions._claim(debit.pk)
    assert claim is not None
    make_all_due()
    transactions.settle_transaction(debit.pk)
    assert status(order) == OrderStatus.CONFIRMED
    # the first worker wakes up without its lease, so it records nothing
    events = order.events.count()
    transactions._record(claim, loyalty.send_debit(debit.body.encode(), debit.key))
    assert order.events.count() == events
    assert world.ledger(order) == (1_000, 0)


def test_a_debit_that_never_left_starts_no_clock(world: World, settings: Any) -> None:
    settings.LOYALTY_API_URL = "http://127.0.0.1:9"
    order = world.place((world.product(), 1))
    transactions.settle_transaction(world.debit(order).pk)
    assert world.debit(order).status == "UNKNOWN"
    assert world.debit(order).first_sent_at is None
    assert not ask(world.debit(order).pk)
