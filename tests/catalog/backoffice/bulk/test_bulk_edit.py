"""Many products are edited at once: previewed, in slices, undone where nothing changed since."""

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from catalog.backoffice.bulk import recording, undoing, work
from catalog.backoffice.bulk.recording import forget_edits
from catalog.models import Product, ProductEdit
from loyalty_portal.data.actor import Actor
from loyalty_portal.jobs.models import Job
from loyalty_portal.jobs.services import start_job, undo_job, work_on
from loyalty_portal.jobs.states import JobStatus
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db(transaction=True)
LIST = reverse("admin:catalog_product_changelist")
PAGE = reverse("admin:catalog_product_bulk")
TEN_MORE = {"percent": "10", "rounding": "nearest", "to": "10"}


@pytest.fixture
def person() -> User:
    return staff("catalogue")


def edit(person: User, query: str = "", **asked: Any) -> Job:
    """A bulk edit as a person does it: form, preview, job."""
    client = browser(person)
    form = {"rounding": "nearest", "to": "1", **asked}
    preview = client.post(f"{PAGE}?{query}", form, follow=True)
    seen = re.search(r'name="seen"\s+value="([^"]+)"', preview.text)
    assert seen, preview.text
    value = seen[1].replace("&quot;", '"').replace("&amp;", "&")
    answer = client.post(
        f"{PAGE}?{query}", {"rounding": "nearest", "to": "1", **asked, "seen": value}
    )
    assert answer.status_code == 303, answer.text
    return Job.objects.get(pk=answer["Location"].split("/")[-3])


def worked(job: Job) -> Job:
    assert work_on(job.pk)
    return Job.objects.get(pk=job.pk)


def points() -> list[int]:
    return list(Product.objects.order_by("sku").values_list("points_cost", flat=True))


def test_forty_prices_are_previewed_changed_in_slices_and_undone(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (work, undoing):
        # replaced: so that forty products are several slices
        monkeypatch.setattr(module, "SLICE", 7)
    for n in range(40):
        ProductFactory.create(sku=f"P-{n:02}", points_cost=1000 + n)
    others = ProductFactory.create(sku="Z", points_cost=1, is_active=False)
    before = points()
    client = browser(person)
    asked = client.post(f"{PAGE}?is_active__exact=1", TEN_MORE)
    assert asked.status_code == 303  # so that "back" shows the preview again
    preview = client.get(asked["Location"])
    assert "40 products" in preview.text
    assert preview.text.count('<td class="code">') == 20
    assert "1,039" not in preview.text
    assert "<b>1,100</b>" in preview.text
    assert points() == before, "a preview writes nothing"
    job = worked(edit(person, "is_active__exact=1", **TEN_MORE))
    assert (job.status, job.done, job.total, job.result["changed"]) == (JobStatus.DONE, 40, 40, 40)
    assert points()[:2] == [1100, 1100]
    assert points()[-1] == others.points_cost
    first: Any = Product.objects.get(sku="P-00")
    change = first.changes.order_by("-pgh_id").first()
    assert change.pgh_context.metadata == {"user": str(person.pk), "job": str(job.pk)}
    # Meanwhile somebody changed one of them.
    Product.objects.filter(sku="P-03").update(points_cost=5)
    undo = worked(undo_job(job=job, by=Actor.person(person)))
    assert (undo.status, undo.result["restored"], undo.result["skips"]) == (JobStatus.DONE, 39, 1)
    assert undo.result["skipped"][0][0] == "P-03"
    assert points() == [*before[:3], 5, *before[4:]]
    page = client.get(reverse("admin:jobs_job_change", args=[undo.pk])).text
    assert "39 products have their former values again" in page
    assert "was changed since, and stays: points_cost" in page


def test_a_preview_that_is_confirmed_twice_changes_once(person: User) -> None:
    ProductFactory.create(points_cost=1000)
    client = browser(person)
    seen = re.search(
        r'name="seen"\s+value="([^"]+)"', client.post(PAGE, TEN_MORE, follow=True).text
    )
    assert seen
    form = {**TEN_MORE, "seen": seen[1].replace("&quot;", '"').replace("&amp;", "&")}
    first, second = client.post(PAGE, form), client.post(PAGE, form)
    assert first["Location"] == second["Location"]
    worked(Job.objects.get())
    assert points() == [1100]
    anew = browser(staff("catalogue")).post(PAGE, form)  # another person has seen no preview
    assert "preview=" in anew["Location"]
    assert Job.objects.count() == 1


def test_rows_that_cannot_take_the_change_are_skipped_and_named(person: User) -> None:
    ProductFactory.create(sku="CHEAP", points_cost=3)
    ProductFactory.create(sku="FINE", points_cost=300)
    job = worked(edit(person, percent="-50", rounding="down", to="100"))
    assert job.result["skipped"] == [
        ["CHEAP", "would cost 0 points; between 1 and 2,147,483,647 are possible"]
    ]
    assert points() == [3, 100]
    assert "CHEAP" in browser(person).get(reverse("admin:jobs_job_change", args=[job.pk])).text


def test_category_tier_window_and_offer_change_together_and_come_back(person: User) -> None:
    product = ProductFactory.create(available_until=timezone.now() + timedelta(days=9))
    family = FamilyFactory.create()
    cards = [
        ProductFactory.create(family=family, is_card=True),
        ProductFactory.create(family=family, is_card=False),
    ]
    asked = {
        "category": CategoryFactory.create().pk, "minimum_tier": "GOLD", "is_active": "no",
        "available_from": "2026-01-02 03:04", "until_ever": "on",
    }  # fmt: skip
    ids = f"ids={product.pk},{cards[0].pk}"
    job = worked(edit(person, ids, **asked))
    now = Product.objects.get(pk=product.pk)
    assert (now.category_id, now.minimum_tier, now.is_active) == (asked["category"], "GOLD", False)
    assert str(now.available_from) == "2026-01-02 03:04:00+00:00"
    assert now.available_until is None
    assert Product.objects.get(pk=cards[1].pk).is_card, "the family has another card now"
    worked(undo_job(job=job, by=Actor.person(person)))
    back = Product.objects.get(pk=product.pk)
    for name in ("category_id", "minimum_tier", "is_active", "available_from", "available_until"):
        assert getattr(back, name) == getattr(product, name)
    assert Product.objects.get(pk=cards[0].pk).is_card


def test_two_jobs_on_the_same_rows_at_once_lose_nothing_and_tell_of_each_other(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that the jobs take turns on the rows
    monkeypatch.setattr(work, "SLICE", 3)
    for _ in range(12):
        ProductFactory.create(points_cost=100)
    jobs = [edit(person, percent="100"), edit(person, percent="200")]

    def run(job: Job) -> None:
        try:
            work_on(job.pk)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for job in jobs:
        if not Job.objects.get(pk=job.pk).is_over:  # it lost a lock once, and is due again
            Job.objects.filter(pk=job.pk).update(next_attempt_at=timezone.now())
            worked(job)
    assert points() == [600] * 12, "each found the value that the other left"
    assert sum(Job.objects.get(pk=job.pk).result["beside"] for job in jobs) == 12
    first = worked(undo_job(job=Job.objects.get(pk=jobs[0].pk), by=Actor.person(person)))
    assert first.result["restored"] + first.result["skips"] == 12
    assert first.status == JobStatus.DONE


def test_a_stopped_edit_can_be_undone_as_far_as_it_came(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that it is stopped between two slices
    monkeypatch.setattr(work, "SLICE", 2)
    for _ in range(6):
        ProductFactory.create(points_cost=100)
    job = edit(person, percent="100")
    write, calls = recording.write, []

    def stopping(*args: Any) -> None:
        write(*args)
        calls.append(1)
        if len(calls) == 2:
            Job.objects.filter(pk=job.pk).update(stop_asked_at=timezone.now())

    # replaced: somebody presses “Stop” during the second slice
    monkeypatch.setattr(work, "write", stopping)
    job = worked(job)
    assert (job.status, job.done) == (JobStatus.STOPPED, 4)
    assert sorted(points()) == [100, 100, 200, 200, 200, 200]
    worked(undo_job(job=job, by=Actor.person(person)))
    assert points() == [100] * 6


def test_an_edit_made_after_the_preview_is_previewed_anew(person: User) -> None:
    ProductFactory.create(points_cost=100)
    client = browser(person)
    page = client.post(PAGE, TEN_MORE, follow=True).text
    seen = re.search(r'name="seen"\s+value="([^"]+)"', page)
    assert seen
    form = {**TEN_MORE, "percent": "90", "seen": seen[1].replace("&quot;", '"')}
    assert "What would change" in client.post(PAGE, form, follow=True).text
    assert "preview=" in client.post(PAGE, {**TEN_MORE, "seen": "forged"})["Location"]
    assert client.get(f"{PAGE}?preview=percent%3Dten").status_code == 200
    assert not Job.objects.exists()


WRONG = [
    ({}, "Say what is to change"),
    ({"percent": "-100"}, "greater than or equal to"),
    ({"percent": "ten"}, "Enter a number"),
    ({"available_from": "soon"}, "Enter a valid date"),
    ({"available_from": "2026-01-01 00:00", "from_anytime": "on"}, "Either a time, or none"),
    ({"available_from": "2026-02-01 00:00", "available_until": "2026-01-01 00:00"}, "must be after"),
    ({"category": "00000000-0000-7000-8000-000000000001"}, "Choose one from the list."),
]  # fmt: skip


def test_a_wrong_edit_is_refused_with_a_sentence(person: User) -> None:
    client = browser(person)
    for asked, says in WRONG:
        answer = client.post(PAGE, {"rounding": "nearest", "to": "1", **asked})
        assert (answer.status_code, says in answer.text) == (422, True), says


def test_the_list_leads_there_with_what_was_chosen_and_others_may_not(person: User) -> None:
    product = ProductFactory.create(name="Lamp")
    other = ProductFactory.create(name="Chair")
    client = browser(person)
    chosen = {"action": "bulk_edit", "_selected_action": [product.pk], "index": 0}
    there = client.post(LIST, chosen)["Location"]
    assert there == f"{PAGE}?ids={product.pk}"
    assert client.get(there).context["preview"].number == 1
    found = client.post(
        f"{LIST}?q=chair", {**chosen, "_selected_action": [other.pk], "select_across": "1"}
    )
    assert found["Location"] == f"{PAGE}?q=chair"
    assert client.get(found["Location"]).context["preview"].number == 1
    assert client.get(f"{PAGE}?ids=1,x").context["preview"].number == 0
    nobody = browser(staff("support"))
    assert nobody.get(PAGE).status_code == 403
    assert nobody.post(PAGE, TEN_MORE).status_code == 403


def test_rows_made_after_the_preview_are_left_out(person: User) -> None:
    ProductFactory.create(points_cost=100)
    job = edit(person, percent="100")
    ProductFactory.create(points_cost=100)
    worked(job)
    assert sorted(points()) == [100, 200]


def test_former_values_are_forgotten_with_their_days(person: User) -> None:
    ProductFactory.create(points_cost=100)
    job = worked(edit(person, percent="100"))
    assert forget_edits() == 0
    Job.objects.filter(pk=job.pk).update(ended_at=timezone.now() - timedelta(days=15))
    assert forget_edits() == 1
    assert not ProductEdit.objects.exists()
    page = browser(person).get(reverse("admin:jobs_job_change", args=[job.pk])).text
    assert "Undo</button>" not in page


def test_a_job_of_the_catalogue_starts_only_with_its_permission() -> None:
    with pytest.raises(Exception, match="no permission"):
        start_job(kind="catalog.bulk_edit", parameters={}, by=Actor.person(staff("support")))
