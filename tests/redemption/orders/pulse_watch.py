"""Watches whether the pulse of an order moves with whatever its page shows."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from django.db.models import F
from django.template.loader import render_to_string

from loyalty_portal.data.actor import Actor
from redemption.models import RedemptionOrder
from redemption.models.orders import MOVED
from redemption.orders.page import order_page
from redemption.saga import line_news, steps

# After half a minute the page says that it takes longer. Each form has a token of its own.
_TIMES = re.compile(
    r'<time.*?</time>( <span class="moment__ago.*?</span>)?'
    r'|name="token" value="[^"]*"'
    r"|This takes a few seconds\.|It takes longer than usual\.[^<]*"
    # When the portal asks again is told as of the last change; each try sets another time.
    r"|The portal itself asks the loyalty system again on [^<]*",
    re.DOTALL,
)


def shown(order: RedemptionOrder, actor: Actor) -> str:
    """The page of the order as this person sees it, without its times."""
    page = order_page(actor, order)
    # The catalogue and the state of the partners also speak there; they are no change of the order.
    page = replace(page, held="", since=[])
    return _TIMES.sub("", render_to_string("redemption/orders/_order.html", {"page": page}))


@dataclass
class Watch:
    """What the orders' pages showed at the last look, by the order's key, with its pulse.

    `changed` counts the pages that it saw change. Orders in `others` are not looked at.
    """

    others: list[Any] = field(default_factory=list)
    pages: dict[Any, tuple[int, str]] = field(default_factory=dict)
    changed: int = 0

    def missed(self, actor: Actor) -> list[str]:
        """Look again, as `actor`. Returns the orders whose page differs although the pulse is the
        same.
        """
        found = []
        orders = RedemptionOrder.objects.select_related("company", "account_manager__user")
        for order in orders.exclude(pk__in=self.others):
            now = order.pulse, shown(order, actor)
            pulse, page = self.pages.get(order.pk, now)
            self.pages[order.pk] = now
            if now[1] != page:
                self.changed += 1
                found += [order.order_number] if now[0] <= pulse else []
        return found


def stop_the_pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the guard away: orders are locked as before, and their pulse stays."""
    monkeypatch.setitem(MOVED, "pulse", F("pulse"))  # replaced: for a negative control
    for hold in (steps._locked, line_news._line):
        assert hold._plan  # compiled, so that it is put back afterwards
        monkeypatch.delitem(hold.__dict__, "_plan")
