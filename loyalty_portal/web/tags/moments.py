"""Template tags for times. All times on a page are relative to the same moment."""

from datetime import datetime

from django import template
from django.template import Context
from django.utils import timezone

from loyalty_portal.data.texts import times

register = template.Library()


@register.filter
def exact(at: datetime) -> str:
    """Date and time to the minute, with the time zone."""
    return times.exact(at)


@register.filter
def exact_to_the_second(at: datetime) -> str:
    """Date and time to the second, for timelines in which several things happen in a minute."""
    return times.exact(at, seconds=True)


@register.simple_tag(takes_context=True)
def ago(context: Context, at: datetime) -> str:
    """The age in words; portal.js updates it."""
    return times.ago(at, _clock(context))


@register.simple_tag(takes_context=True)
def age(context: Context, at: datetime) -> int:
    """The age in whole seconds."""
    return times.age(at, _clock(context))


def _clock(context: Context) -> datetime:
    """The time at which rendering of the page began, shared by included templates."""
    holder = context.get("request")
    if holder is None:
        return timezone.now()
    if not hasattr(holder, "clock"):
        holder.clock = timezone.now()
    clock: datetime = holder.clock
    return clock
