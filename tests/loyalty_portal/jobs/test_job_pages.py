"""The pages of jobs: who sees what, how a page moves on, and who gets the file."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from loyalty_portal.data.actor import Actor
from loyalty_portal.jobs.models import Job
from loyalty_portal.jobs.services import start_job, work_on
from loyalty_portal.jobs.states import JobStatus
from tests.loyalty_portal.jobs.kinds_tried import begin
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
LIST = reverse("admin:jobs_job_changelist")
HTMX = {"HX-Request": "true"}


def page_of(job: Job) -> str:
    return reverse("admin:jobs_job_change", args=[job.pk])


def do(client: Any, job: Job, verb: str) -> Any:
    return client.post(reverse("admin:jobs_job_do", args=[job.pk, verb]), follow=True)


def test_a_job_is_seen_by_who_started_it_by_its_kind_and_by_who_sees_all() -> None:
    starter = staff("catalogue")
    job = start_job(kind="tests.count", parameters={"total": 1}, by=Actor.person(starter))
    starter.groups.clear()
    seen = {
        "mine": browser(starter),
        "kind": browser(staff("catalogue")),
        "all": browser(staff("auditor")),
    }
    assert {
        who: client.get(page_of(job)).status_code for who, client in seen.items()
    } == dict.fromkeys(seen, 200)
    other = browser(staff("fulfillment"))
    assert other.get(page_of(job)).status_code == 403
    assert other.get(LIST).status_code == 403
    assert "Count" in seen["kind"].get(LIST).text
    assert list(seen["kind"].get(f"{LIST}?whose=mine").context["cl"].result_list) == []


def test_an_open_page_asks_again_slower_and_slower_until_the_end() -> None:
    client = browser(staff("catalogue"))
    job = begin("count", total=2)
    page = client.get(page_of(job))
    assert "load delay:1s" in page.text
    assert "See how far it is" in page.text, "and without JavaScript there is a link"
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(minutes=5))
    part = client.get(page_of(job), headers=HTMX)
    assert "load delay:10s" in part.text
    assert "<html" not in part.text
    work_on(job.pk)
    ended = client.get(page_of(job), headers=HTMX).text
    assert "load delay" not in ended
    assert "Counted 2." in ended
    assert "2 of 2" in ended


def test_stop_and_undo_are_buttons_that_say_what_happened() -> None:
    client = browser(staff("catalogue"))
    job = begin("count", total=2)
    assert "It stops in a moment" in do(client, job, "stop").text
    work_on(job.pk)
    assert Job.objects.get(pk=job.pk).status == JobStatus.STOPPED
    assert "It is over already" in do(client, job, "stop").text
    done = begin("count", total=2)
    work_on(done.pk)
    assert "It is being undone" in do(client, done, "undo").text
    assert "undone already" in do(client, done, "undo").text
    reader = browser(staff("auditor"))
    assert "Undo</button>" not in reader.get(page_of(done)).text
    assert "no permission" in do(reader, done, "undo").text


def test_the_file_is_for_who_started_it_or_may_start_one_like_it() -> None:
    job = begin("file")
    file = reverse("admin:jobs_job_file", args=[job.pk])
    mine = browser(staff("catalogue"))
    assert mine.get(file).status_code == 404, "it is not whole yet"
    work_on(job.pk)
    answer = mine.get(file)
    assert answer.getvalue() == b"line 0\nline 1\nline 2\n"
    assert answer["Content-Disposition"] == "attachment; filename*=utf-8''Gr%C3%B6%C3%9Fen%201.csv"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "private" in answer["Cache-Control"]
    assert reverse("admin:jobs_job_file", args=[job.pk]) in mine.get(page_of(job)).text
    auditor = browser(staff("auditor"))
    assert auditor.get(page_of(job)).status_code == 200
    assert auditor.get(file).status_code == 404
    assert browser(staff("fulfillment")).get(file).status_code == 403
