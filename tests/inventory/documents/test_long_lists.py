"""A list of more lines than a person waits for is booked by a job, each line once."""

import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.models import User
from catalog.models import Product
from inventory import services as stock
from inventory.documents import booking, views
from inventory.models import Inventory, StockDocument
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.jobs import services as jobs
from loyalty_portal.jobs.files import pieces_of
from loyalty_portal.jobs.models import FileRole, Job
from loyalty_portal.jobs.states import JobStatus
from redemption.invariants.checks import check_stock
from tests.catalog.factories import ProductFactory
from tests.inventory.documents.test_documents import on_shelf, post, seen_on, text
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db(transaction=True)
SHELVES = 5
LIST = "".join(f"SKU-{number}\t{number + 1}\n" for number in range(SHELVES))


class Killed(BaseException):
    """What ends a process cannot be caught, and nothing is written after it."""


@pytest.fixture(autouse=True)
def _short_lists_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    # replaced: thousands of products would only make these tests slow
    monkeypatch.setattr(views, "AT_ONCE", 2)
    monkeypatch.setattr(booking, "SLICE", 2)


@pytest.fixture
def clerk() -> User:
    return staff("warehouse")


@pytest.fixture
def products() -> list[Product]:
    return [ProductFactory.create(sku=f"SKU-{n}", in_stock=10) for n in range(SHELVES)]


@pytest.fixture
def client(clerk: User, products: list[Product]) -> Client:
    return browser(clerk)


def booked(client: Client, way: str, lines: str = LIST, **more: Any) -> Job:
    """The job that the button starts, after the preview that the same page shows."""
    checked = post(client, way, lines, do="check")
    answer = post(client, way, lines, seen=seen_on(checked), **more)
    assert answer.status_code == 303, text(answer)
    return Job.objects.get(pk=answer["Location"].rstrip("/").split("/")[-2])


def again(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def worked(job: Job) -> Job:
    """The job after the lease and every wait are over, and somebody took it up."""
    past = timezone.now() - timedelta(hours=1)
    due = Job.objects.filter(pk=job.pk, next_attempt_at__isnull=False)
    due.update(next_attempt_at=past, lease_until=None)
    jobs.work_on(job.pk)
    return again(job)


def shelves() -> Iterator[int]:
    rows = Inventory.objects.filter(product__sku__startswith="SKU-").order_by("product__sku")
    yield from (row.on_shelf for row in rows)


def test_a_long_list_is_previewed_and_booked_as_one_document_in_the_background(
    client: Client, clerk: User
) -> None:
    page = text(post(client, "receive", LIST, do="check"))
    assert "5 lines, all right" in page
    assert "and 3 more" in page
    assert "booked in the background" in page

    job = booked(client, "receive", reference="Note 77", reason="")
    assert not StockDocument.objects.exists()
    job = worked(job)

    assert (job.status, job.done, job.total) == (JobStatus.DONE, SHELVES, SHELVES)
    assert list(shelves()) == [11, 12, 13, 14, 15]
    document = StockDocument.objects.get()
    assert document.movements.count() == SHELVES
    assert {(each.reason, each.by) for each in document.movements.all()} == {("Note 77", clerk)}
    page = text(client.get(f"/admin/jobs/job/{job.pk}/change/"))
    assert "5 lines are booked." in page
    assert document.number in page
    assert check_stock() == []


def test_a_wrong_line_is_named_before_and_starts_nothing(client: Client) -> None:
    for wrong in ("CUP-9\t3\n", "SKU-0\t1\n", "SKU-9\n"):
        refused = post(client, "receive", LIST + wrong)
        assert refused.status_code == 422
        assert "Nothing was written" in text(refused)
    assert not Job.objects.exists()
    assert list(shelves()) == [10] * SHELVES


def killed_and_taken_up(monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    record = jobs._record

    def dying(row: Job, token: Any, step: Any) -> None:
        if step.done == 4:
            raise Killed
        record(row, token, step)

    with monkeypatch.context() as patch:
        # replaced: the process dies when the slice has written, and nothing is recorded yet
        patch.setattr(jobs, "_record", dying)
        with pytest.raises(Killed):
            jobs.work_on(job.pk)
    assert worked(job).status == JobStatus.DONE


def test_no_line_is_booked_twice_when_a_process_dies_in_the_middle(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_and_taken_up(monkeypatch, booked(client, "receive"))
    assert list(shelves()) == [11, 12, 13, 14, 15]
    assert StockDocument.objects.get().movements.count() == SHELVES
    assert check_stock() == []


def test_without_one_transaction_for_lines_and_progress_some_are_booked_twice(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = booked(client, "receive")
    # replaced: the guard is off, so the slice commits before its record
    monkeypatch.setattr(jobs, "transaction", SimpleNamespace(atomic=nullcontext))
    killed_and_taken_up(monkeypatch, job)
    assert list(shelves()) == [11, 12, 16, 18, 15]


def test_a_job_that_is_stopped_keeps_what_it_booked_and_says_how_much(
    client: Client, clerk: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = booked(client, "receive")
    record = jobs._record

    def stopping(row: Job, token: Any, step: Any) -> None:
        record(row, token, step)
        jobs.ask_to_stop(job=row, by=Actor.person(clerk))

    # replaced: somebody presses the button while the first slice is written
    monkeypatch.setattr(jobs, "_record", stopping)
    job = worked(job)
    assert (job.status, job.done) == (JobStatus.STOPPED, 2)
    assert list(shelves()) == [11, 12, 10, 10, 10]
    page = text(client.get(f"/admin/jobs/job/{job.pk}/change/"))
    assert "2 of 5" in page
    assert "2 lines are booked." in page
    assert check_stock() == []


def test_a_shelf_that_changed_after_the_check_is_left_out_told_and_in_a_file(
    client: Client, products: list[Product]
) -> None:
    zeros = ProductFactory.create(sku="00456", in_stock=10)
    job = booked(client, "count", f"{LIST}00456\t7\n")
    for product in (products[3], zeros):
        stock.receive(product=product, quantity=5, reason="a parcel", by=SYSTEM)
    job = worked(job)
    assert job.status == JobStatus.DONE
    assert list(shelves()) == [1, 2, 3, 15, 5]
    page = text(client.get(f"/admin/jobs/job/{job.pk}/change/"))
    assert "2 lines were left out" in page
    assert "showed 10 on the shelf; now there are 15" in page
    made = b"".join(pieces_of(job.files.get(role=FileRole.MADE)))
    file = SimpleUploadedFile("left-out.csv", made)
    corrected = post(client, "count", "", do="check", file=file)
    assert corrected.context["desk"].text == "SKU-3\t4\n00456\t7\n"
    assert check_stock() == []


def test_a_form_that_is_sent_again_is_one_job_and_one_document(
    client: Client, products: list[Product]
) -> None:
    token = uuid.uuid4()
    first = booked(client, "receive", token=token)
    assert booked(client, "receive", token=token) == first
    worked(first)
    assert Job.objects.count() == 1
    assert list(shelves()) == [11, 12, 13, 14, 15]
    # what a short form has booked is not booked on by a long one
    token = uuid.uuid4()
    post(client, "receive", "SKU-0\t1\n", token=token)
    late = worked(booked(client, "receive", token=token))
    assert late.status == JobStatus.FAILED
    assert "nothing was booked again" in late.problem
    assert on_shelf(products[1]) == 12


def test_a_colleague_who_may_not_move_stock_starts_no_job(products: list[Product]) -> None:
    assert post(browser(staff("auditor")), "receive", LIST).status_code == 403
    assert not Job.objects.exists()
