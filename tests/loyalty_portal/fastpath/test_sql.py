"""Queries whose SQL is compiled once give the same results as Django's."""

import uuid

import pytest
from django.db import IntegrityError
from django.db.models import Value
from django.utils import timezone
from psycopg.types.json import Jsonb

from accounts.models import AccountManager, Company, KnownBalance, Role, User
from accounts.selectors import usable_seats
from inventory.models import StockMovement
from loyalty_portal.fastpath import sql
from loyalty_portal.fastpath.sql import Prepared, insert, insert_unknown
from redemption.models import Letter
from tests.accounts.factories import CompanyFactory, SeatFactory, UserFactory
from tests.catalog.factories import ProductFactory

pytestmark = [pytest.mark.django_db, pytest.mark.both_ways]


def test_a_prepared_query_gives_whole_rows_with_their_relations() -> None:
    seat = SeatFactory.create(role=Role.OWNER)
    KnownBalance.objects.create(
        company=seat.company,
        points=7,
        as_of=timezone.now(),
        fetched_at=timezone.now(),
        expiring=[{"a": 1}],
    )
    other = SeatFactory.create()
    for wanted in (seat, other, seat):
        (found,) = usable_seats(wanted.user_id)
        assert (found, found.user, found.company) == (wanted, wanted.user, wanted.company)
        assert found.role == wanted.role
    (found,) = usable_seats(seat.user_id)
    assert (found.company.known_balance.points, found.company.known_balance.expiring) == (
        7,
        [{"a": 1}],
    )
    (found,) = usable_seats(other.user_id)
    assert not hasattr(found.company, "known_balance")
    assert usable_seats(uuid.uuid4()) == []


def test_a_prepared_query_keeps_what_is_not_asked_with() -> None:
    user = UserFactory.create()
    by_name = Prepared(
        lambda name, user: AccountManager.objects.filter(
            company__name=name, user_id=user, is_active=True
        ).order_by("id"),
        "stand-in",
        uuid.UUID(int=2),
    )
    first, second = CompanyFactory.create(name="North"), CompanyFactory.create(name="South")
    seats = {
        company.name: SeatFactory.create(company=company, user=user) for company in (first, second)
    }
    SeatFactory.create(company=first, is_active=False)
    assert by_name("North", user.pk) == [seats["North"]]
    assert by_name("South", user.pk) == [seats["South"]]


def test_inserted_rows_are_whole_and_keep_the_databases_defaults() -> None:
    company = Company(name="Direct", loyalty_account_id="direct")
    insert([company])
    stored = Company.objects.get()
    assert (stored.name, stored.tier_level, stored.is_active) == ("Direct", "BRONZE", True)
    assert stored.created_at is not None
    company.name = "Changed"
    company.save()  # an update, because the row is not new any more
    assert Company.objects.get().name == "Changed"
    assert Letter._meta.get_field("next_attempt_at").has_db_default()


def test_several_rows_go_in_together() -> None:
    product = ProductFactory.create()
    before = StockMovement.objects.count()
    insert(
        [
            StockMovement(product=product, kind="RECEIVED", available_change=n, reserved_change=0)
            for n in range(3)
        ]
    )
    assert StockMovement.objects.count() == before + 3
    insert([])


def test_an_insert_that_breaks_a_constraint_raises() -> None:
    CompanyFactory.create(loyalty_account_id="taken")
    with pytest.raises(IntegrityError):
        insert([Company(name="Twin", loyalty_account_id="taken")])


def test_rows_that_are_known_already_are_left_out_and_not_counted() -> None:
    CompanyFactory.create(loyalty_account_id="taken")
    made = [Company(name=name, loyalty_account_id=name) for name in ("taken", "free")]
    assert insert_unknown(made) == 1
    assert insert_unknown([Company(name="other", loyalty_account_id="other")]) == 1
    assert Company.objects.filter(name="free").exists()
    assert not Company.objects.filter(name="taken").exists()


def test_a_prepared_query_gives_columns_of_several_models_in_one_statement() -> None:
    company, user = CompanyFactory.create(), UserFactory.create()
    named = Prepared(
        lambda company, user: (
            Company.objects.filter(pk=company)
            .order_by()
            .values_list(Value("company"), "pk")
            .union(User.objects.filter(pk=user).values_list(Value("user"), "pk"), all=True)
        ),
        uuid.UUID(int=3),
        uuid.UUID(int=4),
    )
    assert set(named(company.pk, user.pk)) == {("company", company.pk), ("user", user.pk)}
    assert named(uuid.uuid4(), user.pk) == [("user", user.pk)]


def test_a_value_that_no_column_holds_is_refused() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        sql._as_json([{"facts": object()}])
    assert sql._as_json([{"facts": Jsonb({"a": 1})}]) == '[{"facts":{"a":1}}]'
