"""Builds the demo: people, products and two months of orders, here and in the sandbox."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from accounts import loyalty
from accounts.access.keys import ApiKeyTerms, make_key
from accounts.models import AccountManager, ApiKey, Company, Role, User
from accounts.services import refresh_balance
from catalog.models import Product
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.recipient import FIELDS
from operations.demo import people, steps
from operations.demo.catalogue import fill_shelves, thin_shelves
from operations.demo.partners import SandboxControl, SandboxControlError
from operations.demo.people import COMPANIES, SUPERUSER
from operations.demo.plans import DAYS, SEED, Plan, Planner
from operations.demo.scripted_orders import special_plans
from operations.demo.steps import Scene
from operations.demo.timeline import Timeline
from redemption.checkout.approvals.deciding import expire_approvals
from redemption.checkout.services import CheckoutInput, Line, place_order
from redemption.invariants.checks import Violation, check_against_ledger, check_invariants
from redemption.models import EventType, RedemptionOrder
from redemption.saga.steps import flag_overdue
from redemption.webhooks_out.services import add_endpoint

KEY_SCOPES = ("catalog:read", "balance:read", "orders:read", "orders:write")
BATCH = 25  # orders whose times are moved with one set of statements

Say = Callable[[str], None]


def is_seeded() -> bool:
    """Whether the demo is complete. The superuser is created last."""
    return User.objects.filter(email=SUPERUSER[0]).exists()


def seed(*, say: Say) -> None:
    """Build the demo, or complete an earlier interrupted build. Nothing else may run meanwhile.

    Raises SandboxControlError when the sandbox does not answer or has other orders.
    """
    partners = SandboxControl()
    dice = Random(SEED)  # noqa: S311 - a demo, no secret
    known = partners.balances()
    if not Company.objects.filter(loyalty_account_id=COMPANIES[0].account_id).exists():
        _require_clean_books(partners)
        say("people, companies and products")
        with transaction.atomic():
            people.invite_everybody()
            fill_shelves(dice=dice, by=people.staff("warehouse")[0])
    else:
        say("an earlier try was not finished; going on with it")
    for data in COMPANIES:
        if data.account_id not in known:
            _open_account(partners, data)
    with _not_waiting_for_the_disk():
        _make_orders(partners, say)
    if settings.WEBHOOK_ALLOWED_NETWORKS:  # otherwise the sandbox may not be called
        _add_endpoint(partners)
    _add_key(say)
    with transaction.atomic():
        thin_shelves(dice=dice, by=people.staff("warehouse")[0])
        people.add_superuser()
    for company in _companies():
        refresh_balance(company=company)


def _add_endpoint(partners: SandboxControl) -> None:
    """Let the first company's own system at the sandbox be told what changes from now on."""
    owners = AccountManager.objects.filter(
        company__loyalty_account_id=COMPANIES[0].account_id, role=Role.OWNER
    )
    seat = owners.select_related("company", "user").earliest("created_at")
    if seat.company.webhook_endpoints.exists():
        return  # an earlier try added it
    made = add_endpoint(
        company=seat.company,
        url=partners.receiver_address,
        events=EventType.values,
        by=Actor.in_seat(seat),
    )
    partners.receive_webhooks(made.secret)


def _add_key(say: Say) -> None:
    """Make a key for the first company's own systems, and say its secret this once."""
    owners = AccountManager.objects.filter(
        company__loyalty_account_id=COMPANIES[0].account_id, role=Role.OWNER, keys=None
    )
    seat = owners.select_related("company", "user").earliest("created_at")
    if ApiKey.objects.filter(seat__company=seat.company).exists():
        return  # an earlier try made it
    terms = ApiKeyTerms("Intranet shop", Role.BUYER, KEY_SCOPES)
    made = make_key(company=seat.company, terms=terms, by=Actor.in_seat(seat))
    say(f"a key of {seat.company.name} for the API, which is shown only now: {made.secret}")


@contextmanager
def _not_waiting_for_the_disk() -> Iterator[None]:
    """Do not wait for the disk at each of the thousands of commits."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        yield
        cursor.execute("RESET synchronous_commit")


def _require_clean_books(partners: SandboxControl) -> None:
    for company in COMPANIES:
        if partners.has_entries(company.account_id):
            raise SandboxControlError(
                f"The sandbox's ledger has movements of {company.name} that this database does"
                " not know. Start the sandbox with an empty --data folder, or empty it:"
                " POST /control/reset."
            )


def _open_account(partners: SandboxControl, company: people.CompanyData) -> None:
    if RedemptionOrder.objects.filter(company__loyalty_account_id=company.account_id).exists():
        raise SandboxControlError(
            f"The sandbox does not know the account of {company.name}, which has orders here."
            " Its ledger was emptied; start again with an empty database as well."
        )
    now = timezone.now()
    today = now.date()
    booked = sum(points for _kind, points, _days, _text in people.BOOKED)
    partners.set_account(
        company.account_id,
        company.points - booked,
        expiring=[
            {"points": points, "expires_on": (today + timedelta(days=days)).isoformat()}
            for points, days in company.expiring
        ],
    )
    for kind, points, days, text in people.BOOKED:
        at = (now - timedelta(days=days)).isoformat()
        partners.book(company.account_id, kind, points, description=text, at=at)


def _make_orders(partners: SandboxControl, say: Say) -> None:
    now = timezone.now()
    planner = Planner(now)
    plans = sorted([*planner.drawn(), *special_plans(planner)], key=_making)
    placed = set(RedemptionOrder.objects.values_list("token", flat=True))
    missing = [plan for plan in plans if plan.token not in placed]
    timeline = Timeline()
    later: list[Callable[[], object]] = []
    try:
        for number, plan in enumerate(missing, 1):
            later += _make_order(plan, partners, timeline, now)
            if number % BATCH == 0:
                timeline.write()
                say(f"{number} of {len(missing)} orders")
    finally:
        timeline.write()  # also after Ctrl-C
    for finish in later:
        finish()
    # An order whose steps were cut off by `now` may have passed a deadline.
    expire_approvals()
    flag_overdue()


def _making(plan: Plan) -> tuple[bool, datetime]:
    """Sorts plans in the order in which they are made: by time, but debits that stay unanswered
    last, since the company's credits would wait for their outcome (saga.md, rule 6).
    """
    unanswered = any(act is steps.leave_unanswered for _minutes, act in plan.course)
    return unanswered, plan.placed_at


def _make_order(
    plan: Plan, partners: SandboxControl, timeline: Timeline, now: datetime
) -> list[Callable[[], object]]:
    """Place one order and run its steps up to `now`.

    Returns what must be done after the order's times were moved.
    """
    timeline.go_to(plan.placed_at)
    order = _place(plan)
    timeline.hold(order.pk)
    scene = Scene(
        order=order,
        company=order.company,
        buyer=Actor.in_seat(order.account_manager),
        approver=_approver(order),
        worker=people.staff("fulfillment")[0],
        finance=people.staff("finance"),
        partners=partners,
        timeline=timeline,
        dice=Random(plan.token.int),  # noqa: S311 - a demo, no secret
    )
    for minutes, act in plan.course:
        moment = plan.placed_at + timedelta(minutes=minutes)
        if moment > now:
            break
        timeline.go_to(moment)
        act(scene)
    return scene.later


def _place(plan: Plan) -> RedemptionOrder:
    seat = AccountManager.objects.select_related("company", "user").get(
        user__email=plan.email, company__loyalty_account_id=plan.company.account_id
    )
    skus = [wanted.product.sku for wanted in plan.lines]
    found = Product.objects.select_related("inventory").in_bulk(skus, field_name="sku")
    lines = [
        Line(
            product=found[wanted.product.sku],
            quantity=wanted.quantity,
            recipient=dict.fromkeys(FIELDS, "") | wanted.recipient,
        )
        for wanted in plan.lines
    ]
    points = sum(line.quantity * line.product.points_cost for line in lines)
    if points <= (seat.company.approval_threshold or 0):
        # All orders are placed now, but dated days apart, so the approval window must not add them
        # up.
        seat.company.approval_threshold = None
    entered = CheckoutInput(
        token=plan.token,
        seen_points=points,
        reference=plan.reference,
        note=plan.note,
    )
    return place_order(seat=seat, lines=lines, entered=entered, by=Actor.in_seat(seat))


def _approver(order: RedemptionOrder) -> Actor:
    """Another person of the company who may approve the order."""
    seats = order.company.seats.filter(role__in=[Role.APPROVER, Role.OWNER])
    seat = seats.exclude(pk=order.account_manager_id).order_by("role").first()
    if seat is None:
        raise LookupError(f"Nobody can approve {order}")
    return Actor.in_seat(seat)


def check() -> list[Violation]:
    """Return violations of the invariants, and differences from the partner's statement.

    Raises the errors of `loyalty.statement`.
    """
    asked_at = timezone.now()
    return check_invariants() + check_against_ledger(
        list(_entries(asked_at - timedelta(days=DAYS + 10))),
        companies=_companies(),
        until=asked_at,
    )


def _companies() -> list[Company]:
    accounts = [company.account_id for company in COMPANIES]
    return list(Company.objects.filter(loyalty_account_id__in=accounts))


def _entries(since: datetime) -> Iterator[loyalty.StatementEntry]:
    for company in COMPANIES:
        yield from loyalty.statement(company.account_id, since)
