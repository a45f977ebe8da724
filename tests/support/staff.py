"""Signed-in staff."""

from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from accounts.services import ensure_staff_groups
from tests.accounts.factories import UserFactory

BACKEND = "accounts.backends.SeatsBackend"


def staff(*groups: str) -> User:
    """A member of these staff groups; without groups, staff without permissions."""
    ensure_staff_groups()
    user: User = UserFactory.create(staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client
