"""What a change of a company's rules (company_rules.py) means, in a sentence for its owners."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from accounts.models import Company, CopyTo, LetterTopic
from loyalty_portal.data.texts.numbers import grouped


def rule_changed(change: Mapping[str, Any], company: Company) -> str:
    """The sentence about one change: `what`, with its value `before` and `after`."""
    if change["what"] == "copies":
        return _copies(change)
    before, after = change["before"], change["after"]
    if change["what"] == "approval_threshold":
        return _threshold(before, after)
    if change["what"] in {"monthly_limit", "quarterly_budget"}:
        return _limit(change, before, after)
    if change["what"] == "text_messages":
        if after:
            return _("People of the company may have text messages about orders now.")
        return _("Nobody of the company gets text messages about orders any more.")
    if change["what"] == "language":
        languages = dict(settings.LANGUAGES)
        before, after = languages.get(before, before), languages.get(after, after)
    told = {
        "sender_name": _(
            "Messages to recipients are signed “%(after)s” now. Before, it was “%(before)s”."
        ),
        "time_zone": _("The time zone is %(after)s now. Before, it was %(before)s."),
        "language": _("The language of letters is %(after)s now. Before, it was %(before)s."),
    }[change["what"]]
    return told % {"before": before or company.name, "after": after or company.name}


def _threshold(before: int | None, after: int | None) -> str:
    if after is None:
        told = _("No order needs approval any more. Before, orders above %(before)s points did.")
    elif before is None:
        told = _("Orders above %(after)s points need approval now. Before, none did.")
    else:
        told = _(
            "Orders above %(after)s points need approval now. Before, those above %(before)s did."
        )
    return told % {"before": grouped(before or 0), "after": grouped(after or 0)}


def _limit(change: Mapping[str, Any], before: int | None, after: int | None) -> str:
    if change["what"] == "quarterly_budget":
        told = _("The budget of the company for a quarter is now: %(after)s. Before: %(before)s.")
    else:
        told = _("The limit of %(person)s for a month is now: %(after)s. Before: %(before)s.")
    facts = {"person": change["person"], "after": _points(after), "before": _points(before)}
    return told % facts


def _points(points: int | None) -> str:
    return _("none") if points is None else _("%(points)s points") % {"points": grouped(points)}


def _copies(change: Mapping[str, Any]) -> str:
    about = {
        LetterTopic.PROGRESS: _("Letters about orders that go on"),
        LetterTopic.POINTS_BACK: _("Letters about orders that were declined or cancelled"),
    }[LetterTopic(change["topic"])]
    kinds = {str(value): str(label) for value, label in CopyTo.choices}
    people = get_text_list([kinds.get(each, each) for each in change["after"]], _("and"))
    if not people:
        return _("%(letters)s go to whoever ordered only.") % {"letters": about}
    facts = {"letters": about, "people": people}
    return _("%(letters)s go to whoever ordered, and copies to %(people)s.") % facts
