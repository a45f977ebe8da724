"""A company asks about an order; staff answer once, in the order's timeline and by a letter."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from redemption.messages.notifications import send_letter
from redemption.models import Letter, OrderMessage, RedemptionOrder, WaitingQuestion
from redemption.questions.services import MOST_UNANSWERED
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.pages import timeline
from tests.support.orders.order_kinds import confirmed_order
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def order() -> RedemptionOrder:
    return confirmed_order((ProductFactory.create(), 1))


def ask(order: RedemptionOrder, text: str, user: Any = None) -> Any:
    client = browser(user or order.account_manager.user)
    return client.post(f"{order.get_absolute_url()}ask/", {"text": text}, follow=True)


def page_of(order: RedemptionOrder) -> str:
    return reverse("admin:redemption_redemptionorder_change", args=[order.pk])


def act(user: Any, order: RedemptionOrder, verb: str, **form: object) -> Any:
    seen = order.messages.order_by("-at", "-id").values_list("pk", flat=True).first()
    there = reverse("admin:redemption_redemptionorder_do", args=[order.pk, verb])
    return browser(user).post(there, {"seen": seen, **form}, follow=True)


def test_a_question_waits_until_staff_answer_and_the_answer_comes_by_e_mail(
    order: RedemptionOrder,
) -> None:
    before = order.pulse
    page = ask(order, "Will it come before Friday?")
    assert "We have your question" in page.content.decode()
    order.refresh_from_db()
    assert order.pulse > before

    clerk = staff("support")
    home = browser(clerk).get("/admin/").content.decode()
    assert "Questions from companies" in home
    assert order.order_number in home
    asker = str(order.account_manager.user)
    assert asker in home
    listed = browser(clerk).get("/admin/redemption/redemptionorder/?question=waits")
    assert [row.pk for row in listed.context["cl"].result_list] == [order.pk]
    assert f"{asker}, for 0" in listed.content.decode().replace("\xa0", " ")
    shown = browser(clerk).get(page_of(order)).content.decode()
    assert "Will it come before Friday?" in shown
    assert "The company waits for an answer" in shown
    assert f"{asker} has waited for 0" in shown.replace("\xa0", " ")

    act(clerk, order, "answer", text="Yes, on Thursday.")
    told = timeline(order)
    assert [step.text for step in told if step.title == "The programme answered"] == [
        "Yes, on Thursday."
    ]
    assert any(step.text == "Will it come before Friday?" for step in told)
    assert not WaitingQuestion.objects.exists()
    seen = browser(order.account_manager.user).get(order.get_absolute_url()).content.decode()
    assert "Yes, on Thursday." in seen
    letter = Letter.objects.get(kind="answered")
    assert send_letter(letter.pk)
    sent = mail.outbox[-1]
    assert sent.to == [order.account_manager.user.email]
    assert "Yes, on Thursday." in sent.body
    assert order.order_number in sent.subject


def test_whoever_waits_longest_comes_first_in_the_list_of_questions(order: RedemptionOrder) -> None:
    newer = confirmed_order((ProductFactory.create(), 1))
    ask(newer, "And mine?")
    ask(order, "When?")
    WaitingQuestion.objects.filter(order=order).update(since=timezone.now() - timedelta(hours=5))
    listed = browser(staff("support")).get("/admin/redemption/redemptionorder/?question=waits")
    assert [row.pk for row in listed.context["cl"].result_list] == [order.pk, newer.pk]
    told = listed.content.decode().replace("\xa0", " ")
    assert f"{order.account_manager.user}, for 5 hours" in told
    usual = browser(staff("support")).get("/admin/redemption/redemptionorder/")
    assert "asked" not in usual.context["cl"].list_display


def test_thanks_need_no_answer_and_the_company_does_not_see_that(order: RedemptionOrder) -> None:
    ask(order, "Thank you!")
    clerk = staff("support")
    act(clerk, order, "settle")
    assert not WaitingQuestion.objects.exists()
    assert not Letter.objects.filter(kind="answered").exists()
    seen = browser(order.account_manager.user).get(order.get_absolute_url()).content.decode()
    assert "No answer needed" not in seen
    told = act(clerk, order, "settle").content.decode()
    assert "No question about this order waits for an answer." in told


def test_a_second_answer_is_refused_and_kept_in_its_form(order: RedemptionOrder) -> None:
    ask(order, "When?")
    first, second = staff("support"), staff("support")
    seen = order.messages.get().pk
    act(first, order, "answer", text="Tomorrow.")
    refused = act(second, order, "answer", text="On Monday.", seen=seen).content.decode()
    assert "wrote about this order since the page was made" in refused
    assert "On Monday." in refused
    assert OrderMessage.objects.filter(kind="ANSWER").count() == 1


def test_each_form_writes_once_however_often_it_is_sent(order: RedemptionOrder) -> None:
    buyer, clerk = browser(order.account_manager.user), staff("support")
    shown = buyer.get(order.get_absolute_url()).content.decode()
    [token] = re.findall(r'name="token"\s+value="([0-9a-f-]{36})"', shown)
    for _each in range(2):
        page = buyer.post(
            f"{order.get_absolute_url()}ask/", {"text": "When?", "token": token}, follow=True
        )
        assert "We have your question" in page.content.decode()
    other = {"text": "And the rest?", "token": token}  # a page of before, with another text
    told = buyer.post(f"{order.get_absolute_url()}ask/", other)
    assert "This form was used before. Open the page again." in told.content.decode()
    seen = order.messages.get().pk
    shown = browser(clerk).get(page_of(order)).content.decode()
    tokens = re.findall(r'name="token"\s+value="([0-9a-f-]{36})"', shown)
    assert len(set(tokens)) == 3  # an answer, that none is needed, a note
    for _each in range(2):
        told = act(clerk, order, "answer", text="Soon.", seen=seen, token=tokens[0])
        assert "Answered." in told.content.decode()
        told = act(clerk, order, "note", text="Called.", token=tokens[1])
        assert "Noted." in told.content.decode()
    assert list(order.messages.values_list("kind", flat=True)) == ["QUESTION", "ANSWER"]
    assert Letter.objects.filter(kind="answered").count() == 1
    assert order.staff_notes.count() == 1
    ask(order, "Thank you!")
    seen = order.messages.latest("at").pk
    for _each in range(2):
        told = act(clerk, order, "settle", seen=seen, token=tokens[2])
        assert "It does not wait any more." in told.content.decode()
    assert order.messages.count() == 4


def test_the_token_of_another_row_writes_nothing_and_says_so(order: RedemptionOrder) -> None:
    other, clerk = confirmed_order((ProductFactory.create(), 1)), staff("support")
    ask(other, "When?")
    used = str(other.messages.get().pk)
    page = browser(order.account_manager.user).post(
        f"{order.get_absolute_url()}ask/", {"text": "And mine?", "token": used}
    )
    assert "This form was used before." in page.content.decode()
    act(clerk, order, "note", text="Called.", token=used, seen="")
    told = act(clerk, other, "note", text="Called.", token=used, seen="")
    assert "This form was used before." in told.content.decode()
    ask(order, "Once more?")  # what is no token is a new one
    assert [order.messages.count(), other.messages.count()] == [1, 1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Write your message first."),
        ("  \r\n ", "Write your message first."),
        ("x" * 2_001, "at most 2000 characters"),
    ],
)
def test_a_text_that_cannot_be_sent_is_told_by_its_field(
    order: RedemptionOrder, text: str, sentence: str
) -> None:
    page = ask(order, text)
    assert page.status_code == 422
    assert sentence in page.content.decode()
    assert not OrderMessage.objects.exists()


def test_a_script_in_a_question_is_shown_as_text(order: RedemptionOrder) -> None:
    ask(order, "<script>alert(1)</script>")
    for page in (
        browser(order.account_manager.user).get(order.get_absolute_url()),
        browser(staff("support")).get(page_of(order)),
    ):
        assert "<script>alert(1)</script>" not in page.content.decode()
        assert "&lt;script&gt;alert(1)" in page.content.decode()


def test_questions_without_end_are_stopped(order: RedemptionOrder) -> None:
    for number in range(MOST_UNANSWERED):
        ask(order, f"Number {number}?")
    page = ask(order, "One more?")
    assert "answer as soon as we can" in page.content.decode()
    assert OrderMessage.objects.count() == MOST_UNANSWERED


def test_only_buyers_of_the_company_ask_and_only_support_answers(order: RedemptionOrder) -> None:
    viewer = SeatFactory.create(company=order.company, role="viewer")
    assert ask(order, "May I?", viewer.user).status_code == 403
    stranger = SeatFactory.create()
    assert ask(order, "May I?", stranger.user).status_code == 404
    ask(order, "When?")
    for group in ("finance", "auditor", "catalogue"):
        assert act(staff(group), order, "answer", text="Soon.").status_code == 403
    assert not OrderMessage.objects.filter(kind="ANSWER").exists()
