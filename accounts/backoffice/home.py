"""What people add to the admin's first page."""

from collections.abc import Iterator

from django.http import HttpRequest
from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import may_manage_staff
from accounts.selectors import troubled_letters
from loyalty_portal.admin_site.home import (
    SHOWN,
    HomeCard,
    HomeLine,
    Part,
    WorkList,
    waiting_count,
)
from loyalty_portal.admin_site.verbs import actor_of


def people(request: HttpRequest) -> Iterator[Part]:
    """Letters to people that could not be sent, and staff who are in no group and so can do
    nothing, the newest first.
    """
    if request.user.has_perm("accounts.view_personletter"):
        yield HomeCard(
            job=_("Post"),
            title=_("Letters to people"),
            number=waiting_count("letters-to-people", troubled_letters()),
            says=_("could not be sent yet"),
            href=reverse("admin:accounts_personletter_changelist") + "?state=problem",
            icon="unsubscribe",
            tone="warn",
        )
    if not may_manage_staff(actor_of(request)):
        return
    idle = User.objects.filter(
        is_staff=True, is_active=True, is_superuser=False, groups__isnull=True
    )
    lines = [
        HomeLine(
            href=reverse("admin:accounts_user_change", args=[each.pk]),
            name=str(each),
            more=each.email,
            end=timesince(each.date_joined, depth=1),
        )
        for each in idle.order_by("-date_joined", "-id")[:SHOWN]
    ]
    yield WorkList(
        title=_("Staff without a group"),
        lines=lines,
        empty=_("None. Everybody of the staff is in a group."),
        more=waiting_count("idle-staff", idle) - len(lines),
        href=reverse("admin:accounts_user_changelist") + "?is_staff__exact=1",
    )
