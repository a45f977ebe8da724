"""Actors, as services, permissions and the history use them."""

import pytest
from django.contrib.auth.models import AnonymousUser

from loyalty_portal.data.actor import SYSTEM, Actor
from tests.accounts.factories import SeatFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_a_person_a_seat_and_the_portal_leave_their_user_in_the_trail() -> None:
    seat, root = SeatFactory.create(), UserFactory.create(superuser=True)
    assert (Actor.person(root).user, Actor.person(root).user_id) == (root, root.pk)
    assert (Actor.in_seat(seat).user, Actor.in_seat(seat).user_id) == (seat.user, seat.user_id)
    assert (SYSTEM.user, SYSTEM.user_id, SYSTEM.is_system) == (None, None, True)
    assert not Actor.person(root).is_system


def test_an_actor_in_a_seat_has_no_permission_of_staff() -> None:
    root = UserFactory.create(superuser=True)
    assert Actor.person(root).has_perm("redemption.cancel_order")
    assert not Actor.in_seat(SeatFactory.create(user=root)).has_perm("redemption.cancel_order")
    assert not SYSTEM.has_perm("redemption.cancel_order")


def test_neither_a_stranger_nor_the_portal_does_what_only_a_person_does() -> None:
    with pytest.raises(ValueError, match="not signed in"):
        Actor.person(AnonymousUser())
    with pytest.raises(ValueError, match="Only a person"):
        _ = SYSTEM.person_id
