"""Several lists are read at once, and are those that plain Django reads."""

from typing import Any

import pghistory
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AccountManager, Company, User
from loyalty_portal.fastpath.together import read_together
from tests.accounts.factories import SeatFactory

pytestmark = pytest.mark.django_db


@pytest.mark.both_ways
def test_each_list_has_its_rows_with_what_is_related(settings: Any) -> None:
    seats = [SeatFactory.create(user__name=name) for name in ("50 % off; --", "Åsa")]
    nobody = User.objects.filter(pk__in=[])
    with CaptureQueriesContext(connection) as asked:
        found, none, companies, few = read_together(
            AccountManager.objects.select_related("user").order_by("created_at"),
            nobody,
            Company.objects.filter(name=seats[1].company.name).defer("time_zone"),
            User.objects.filter(name__contains="% off; --").order_by("pk")[:1],
        )
        assert [seat.user.name for seat in found] == ["50 % off; --", "Åsa"]
    assert len(asked) == (1 if settings.FASTPATH else 3)
    assert [seat.pk for seat in found] == [seat.pk for seat in seats]
    assert (none, [user.pk for user in few]) == ([], [seats[0].user_id])
    [company] = companies
    assert company.get_deferred_fields() == {"time_zone"}
    assert company.time_zone == seats[1].company.time_zone


@pytest.mark.both_ways
def test_they_are_read_while_the_history_of_staff_changes_is_kept() -> None:
    seat = SeatFactory.create()
    with pghistory.context(user=str(seat.user_id)):
        users, companies, seats = read_together(
            User.objects.filter(pk=seat.user_id),
            Company.objects.filter(pk=seat.company_id),
            AccountManager.objects.filter(pk=seat.pk),
        )
    assert (users, companies, seats) == ([seat.user], [seat.company], [seat])


@pytest.mark.both_ways
def test_what_can_have_no_rows_is_not_asked_for(settings: Any) -> None:
    with CaptureQueriesContext(connection) as asked:
        assert read_together(User.objects.none(), User.objects.filter(pk__in=[])) == [[], []]
    assert not asked.captured_queries
