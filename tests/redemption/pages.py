"""Reads an order's pages and its timeline, for tests."""

from typing import Any

from django.urls import reverse

from redemption.models import RedemptionOrder
from redemption.orders.facts import facts_of
from redemption.orders.steps.step import TimelineStep
from redemption.orders.timeline import timeline_of


def said(response: Any) -> str:
    return response.content.decode().replace("&#x27;", "'")


def now(order: RedemptionOrder) -> RedemptionOrder:
    return RedemptionOrder.objects.select_related("company", "account_manager__user").get(
        pk=order.pk
    )


def timeline(order: RedemptionOrder) -> list[TimelineStep]:
    return timeline_of(facts_of(now(order)))


def titles(order: RedemptionOrder) -> list[str]:
    return [step.title for step in timeline(order) if not step.ahead]


def address(order: RedemptionOrder, what: str, *more: object) -> str:
    return reverse(f"orders:{what}", args=[order.order_number, *more])
