"""Times on pages. All of one page are told by one clock."""

from datetime import datetime

from django import template
from django.template import Context
from django.utils import timezone

from loyalty_portal.data import times

register = template.Library()


@register.filter
def exact(at: datetime) -> str:
    """Date and time with the zone, to the minute."""
    return times.exact(at)


@register.filter
def exact_to_the_second(at: datetime) -> str:
    """For a story, in which several things happen within a minute."""
    return times.exact(at, seconds=True)


@register.simple_tag(takes_context=True)
def ago(context: Context, at: datetime) -> str:
    """How long ago it was, in words; portal.js keeps them true."""
    return times.ago(at, _clock(context))


@register.simple_tag(takes_context=True)
def age(context: Context, at: datetime) -> int:
    """Whole seconds since then."""
    return times.age(at, _clock(context))


def _clock(context: Context) -> datetime:
    """When the page was begun: the same for all that it includes."""
    holder = context.get("request")
    if holder is None:
        return timezone.now()
    if not hasattr(holder, "clock"):
        holder.clock = timezone.now()
    clock: datetime = holder.clock
    return clock
