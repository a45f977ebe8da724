"""Operations about the caller, their company, and its balance."""

from datetime import date, datetime
from uuid import UUID

from django.utils import timezone
from ninja import Router
from pydantic import Field

from accounts.access.bearer import ApiRequest
from accounts.layout import Header, header_of
from accounts.models import AccountManager, Role, TierLevel
from accounts.services import refresh_balance
from loyalty_portal.api.calls import allowed
from loyalty_portal.api.shapes import AnswerShape, known_values

router = Router(tags=["account"])


class KeyTold(AnswerShape):
    """The key of the call."""

    shown: str = Field(examples=["lrp_live_4fQz…t9Xa"])
    expires_at: datetime


class SeatTold(AnswerShape):
    """A company in which the caller has a seat."""

    id: UUID
    name: str = Field(examples=["Northwind"])
    role: str = Field(json_schema_extra=known_values(Role.values), examples=["buyer"])


class MeTold(AnswerShape):
    """The caller. `role` is null for a person who names none of several companies."""

    id: UUID = Field(description="Of a key its seat's, of a person their own.")
    created_at: datetime
    kind: str = Field(json_schema_extra=known_values(["person", "key"]), examples=["key"])
    email: str | None = Field(description="Null for a key.", examples=[None])
    name: str = Field(examples=["ERP"])
    role: str | None = Field(json_schema_extra=known_values(Role.values), examples=["buyer"])
    scopes: list[str] = Field(examples=[["catalog:read", "orders:write"]])
    companies: list[SeatTold]
    key: KeyTold | None


class CompanyTold(AnswerShape):
    """The caller's company."""

    id: UUID
    created_at: datetime
    name: str = Field(examples=["Northwind"])
    tier_level: str = Field(json_schema_extra=known_values(TierLevel.values))
    approval_threshold: int | None = Field(
        description="Orders above this number of points need approval. Null: none does.",
        examples=[5000],
    )
    require_second_factor: bool = Field(description="Whether people need a second step to sign in.")


class ExpiringTold(AnswerShape):
    """Points that expire."""

    points: int = Field(examples=[1500])
    expires_on: date


class BalanceTold(AnswerShape):
    """The company's points. `points`, `as_of` and `spendable` are null while no balance was ever
    known.
    """

    id: UUID = Field(description="The company's.")
    created_at: datetime = Field(description="When the company was taken in.")
    points: int | None = Field(description="What the loyalty system said last.", examples=[12600])
    as_of: datetime | None = Field(description="When it said so.")
    in_flight: int = Field(
        description="Points that are being taken, and are in `points` still.", examples=[600]
    )
    spendable: int | None = Field(description="What a new order may cost.", examples=[12000])
    stale: bool = Field(description="Whether the loyalty system did not answer just now.")
    expiring: list[ExpiringTold] = Field(description="Soonest first.")


@router.get("/me", response=MeTold, operation_id="getMe", summary="Who calls")
@allowed("", personal=True)
def me(request: ApiRequest) -> MeTold:
    """The key or the person of the call, the companies in which they have a seat, and what they may
    do. A person with several companies asks for them here without `Portal-Company`.
    """
    caller = request.auth
    key, person = caller.key, caller.person
    return MeTold(
        id=caller.seat.pk if key else person.pk,
        created_at=caller.seat.created_at if key else person.date_joined,
        kind="key" if key else "person",
        email=None if key else person.email,
        name=key.name if key else person.name,
        role=caller.chosen.role if caller.chosen else None,
        scopes=sorted(caller.scopes),
        companies=[
            SeatTold(id=seat.company_id, name=seat.company.name, role=seat.role)
            for seat in caller.seats
        ],
        key=KeyTold(shown=key.shown, expires_at=key.expires_at) if key else None,
    )


@router.get("/company", response=CompanyTold, operation_id="getCompany", summary="The company")
@allowed("")
def company(request: ApiRequest) -> CompanyTold:
    """The company of the caller's seat."""
    found = request.auth.seat.company
    return CompanyTold(
        id=found.pk,
        created_at=found.created_at,
        name=found.name,
        tier_level=found.tier_level,
        approval_threshold=found.approval_threshold,
        require_second_factor=found.require_second_factor,
    )


@router.get("/balance", response=BalanceTold, operation_id="getBalance", summary="The balance")
@allowed("balance:read")
def balance(request: ApiRequest) -> BalanceTold:
    """What the company can spend. It waits four seconds for the loyalty system at most, and then
    tells the last known figure as stale.
    """
    seat = request.auth.seat
    known = refresh_balance(company=seat.company)
    return _balance(seat, header_of(seat, known=known, asked=True))


def _balance(seat: AccountManager, header: Header) -> BalanceTold:
    known, today = header.known, timezone.now().date()
    expiring = [ExpiringTold(**each) for each in known.expiring] if known else []
    return BalanceTold(
        id=seat.company_id,
        created_at=seat.company.created_at,
        points=known.points if known else None,
        as_of=known.as_of if known else None,
        in_flight=header.in_flight,
        spendable=header.spendable,
        stale=known is None or header.stale,
        expiring=[each for each in expiring if each.expires_on >= today],
    )
