"""Every demo shows every stage of the work, whether made at night, on a Monday or a Sunday."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from operations.demo import steps
from operations.demo.people import COMPANIES
from operations.demo.plans import Plan, Planner
from operations.demo.scripted_orders import special_plans

MONDAY = datetime(2026, 11, 16, 0, 20, tzinfo=UTC)
HOURS = [MONDAY + timedelta(hours=hours) for hours in range(7 * 24)]
# The stages that lines and orders of each demo must have reached.
STAGES = {
    step.__name__
    for step in (
        *(steps.settle, steps.claim, steps.pack, steps.ship, steps.deliver),
        *(steps.cannot_supply, steps.take_back, steps.send_codes, steps.fail_to_send),
        *(steps.leave_unanswered, steps.leave_unsent, steps.refuse_credit),
        *(steps.decline, steps.decline_blocked, steps.reject, steps.expire, steps.cancel),
    )
}
Lives = list[list[str]]


def lives(plan: Plan, now: datetime) -> Lives:
    """What has happened by `now` to the order as a whole, and to each of its lines."""
    happened: dict[str, list[str]] = {}
    for minutes, act in plan.course:
        if plan.placed_at + timedelta(minutes=minutes) > now:
            break
        step, given = getattr(act, "func", act), getattr(act, "keywords", {})
        if step is not steps.give_back:
            happened.setdefault(given.get("sku", ""), []).append(step.__name__)
    return list(happened.values())


@pytest.fixture(scope="module")
def demos() -> dict[datetime, list[Plan]]:
    """The plans of demos made at different times."""
    planners = {now: Planner(now) for now in HOURS}
    return {now: [*planner.drawn(), *special_plans(planner)] for now, planner in planners.items()}


def lines(plans: list[Plan], now: datetime) -> Lives:
    return [life for plan in plans for life in lives(plan, now)]


def test_something_stands_at_each_stage(demos: dict[datetime, list[Plan]]) -> None:
    missing = {
        f"{now:%A %H:%M}": nothing
        for now, plans in demos.items()
        if (nothing := STAGES - {life[-1] for life in lines(plans, now)})
    }
    assert not missing


def test_some_came_in_two_parcels_and_some_only_in_part(
    demos: dict[datetime, list[Plan]],
) -> None:
    for now, plans in demos.items():
        parts = [Counter(life) for life in lines(plans, now)]
        assert any(part["ship"] == 2 for part in parts), now
        assert any(
            part["deliver"] and part["cannot_supply"] and not part["take_back"] for part in parts
        ), now


def test_in_each_company_something_waits(demos: dict[datetime, list[Plan]]) -> None:
    for now, plans in demos.items():
        waiting = {plan.company.name for plan in plans if not plan.course}
        assert waiting == {company.name for company in COMPANIES}, now
