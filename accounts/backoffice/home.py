"""What people add to the admin's first page."""

from collections.abc import Iterator

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import may_manage_staff
from accounts.selectors import troubled_letters
from loyalty_portal.admin_site.counts import Waiting, waiting_counts
from loyalty_portal.admin_site.home import (
    SHOWN,
    HomeCard,
    HomeLine,
    Part,
    WorkList,
)
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.data.actor import Actor


def people(request: HttpRequest) -> Iterator[Part]:
    """Letters to people that could not be sent, and staff who are in no group and so can do
    nothing, the newest first.
    """
    if request.user.has_perm("accounts.view_personletter"):
        yield HomeCard(
            job=_("Post"),
            title=_("Letters to people"),
            number=waiting_counts(request)["letters to people"],
            says=_("could not be sent yet"),
            href=reverse("admin:accounts_personletter_changelist") + "?state=problem",
            icon="unsubscribe",
            tone="warn",
        )
    if not may_manage_staff(actor_of(request)):
        return
    yield WorkList(
        title=_("Staff without a group"),
        rows=_staff_without_group().order_by("-date_joined", "-id")[:SHOWN],
        lines=lambda rows: [_line(each) for each in rows],
        empty=_("None. Everybody of the staff is in a group."),
        number=waiting_counts(request)["staff without a group"],
        href=reverse("admin:accounts_user_changelist") + "?is_staff__exact=1",
    )


def _line(person: User) -> HomeLine:
    return HomeLine(
        href=reverse("admin:accounts_user_change", args=[person.pk]),
        name=str(person),
        more=person.email,
        end=timesince(person.date_joined, depth=1),
    )


def _staff_without_group() -> QuerySet[User]:
    return User.objects.filter(
        is_staff=True, is_active=True, is_superuser=False, groups__isnull=True
    )


def waiting(actor: Actor) -> Iterator[Waiting]:
    """What waits of letters and staff, as far as the person may see it."""
    if actor.has_perm("accounts.view_personletter"):
        yield Waiting("letters to people", troubled_letters())
    if may_manage_staff(actor):
        yield Waiting("staff without a group", _staff_without_group())
