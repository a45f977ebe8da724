"""Finds members of staff by what they may do."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db.models import Q, QuerySet


def staff_who_may(permission: str) -> QuerySet[Any]:
    """The active staff who have a permission, such as "fulfillment.work_desk", by name: through a
    group, alone, or as superusers.
    """
    room, _dot, codename = permission.partition(".")
    allowed = Permission.objects.filter(content_type__app_label=room, codename=codename)
    people: Any = get_user_model().objects
    by_group = people.filter(groups__permissions__in=allowed).values("pk")
    themselves = people.filter(user_permissions__in=allowed).values("pk")
    able: QuerySet[Any] = people.filter(
        Q(is_superuser=True) | Q(pk__in=by_group) | Q(pk__in=themselves)
    )
    return able.filter(is_staff=True, is_active=True).order_by("name", "email")
