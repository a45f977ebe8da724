"""Operations with which owners look after the members of their company, and invite others."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import Field, StrictBool

from accounts.access.bearer import ApiRequest
from accounts.access.factors.kinds import has_factor
from accounts.access.once import KeyedRequest, once
from accounts.invitations.services import InvitationRefusedError, invite, revoke
from accounts.models import AccountManager, Invitation, Role
from accounts.permissions import may_manage_members
from accounts.seats.services import (
    SeatRefusedError,
    change_role,
    owners_held,
    switch_off,
    switch_on,
)
from accounts.selectors import told_as
from accounts.tasks import send_letters_of
from loyalty_portal.api.calls import ApiResult, allowed, must_match, tag_of, unchanged
from loyalty_portal.api.cursors import page_after
from loyalty_portal.api.problems import refused_as
from loyalty_portal.api.shapes import (
    AnswerShape,
    PageAsked,
    PageTold,
    RequestShape,
    Text,
    known_values,
)
from loyalty_portal.http.rates import Rate

members = Router(tags=["members"])
invitations = Router(tags=["members"])
READ, WRITE = "members:read", "members:write"
# Each is a letter to whoever is named, in the programme's name.
INVITATIONS = Rate("invitations", most=10, burst=20)
REFUSALS = (SeatRefusedError, InvitationRefusedError)
RoleGiven = Literal["owner", "approver", "buyer", "viewer"]


class MemberTold(AnswerShape):
    """A person with a seat in the company. The systems that have API keys are no members."""

    id: UUID
    created_at: datetime
    email: str = Field(examples=["ada@northwind.example"])
    name: str = Field(examples=["Ada Byron"])
    role: str = Field(json_schema_extra=known_values(Role.values))
    is_active: bool = Field(
        description="False: the seat is switched off, or the person by staff.", examples=[True]
    )
    last_seen_at: datetime | None = Field(description="When the person signed in last.")
    second_factor: bool = Field(description="Whether the person has a second step to sign in.")


class MemberChanged(RequestShape):
    """What to change of a member; what is missing stays."""

    role: RoleGiven | None = Field(None, examples=["approver"])
    is_active: StrictBool | None = None


class InvitationTold(AnswerShape):
    """An invitation to a seat that is open: not accepted, taken back or sent again."""

    id: UUID
    created_at: datetime
    email: str = Field(examples=["grace@northwind.example"])
    role: str = Field(json_schema_extra=known_values(Role.values))
    invited_by: str = Field(examples=["Ada Byron"])
    expires_at: datetime


class InvitationEntered(RequestShape):
    """Whom to invite."""

    email: Annotated[Text, Field(min_length=3, max_length=255)] = Field(
        examples=["grace@northwind.example"]
    )
    role: RoleGiven


@members.get("", response=PageTold[MemberTold], operation_id="listMembers", summary="List members")
@allowed(READ, may=may_manage_members, problems=("invalid_cursor",))
def list_members(request: ApiRequest, asked: Query[PageAsked]) -> PageTold[MemberTold]:
    """The people with a seat in the company, whether it is switched on or off."""
    bound = request.auth.seat.company_id
    found, more = page_after(_seats(request), by=["id"], asked=asked, request=request, bound=bound)
    return PageTold[MemberTold](data=[_member(seat) for seat in found], next=more)


@members.get(
    "/{uuid:member_id}", response=MemberTold, operation_id="getMember", summary="Get a member"
)
@allowed(READ, may=may_manage_members, tagged=True)
def get_member(request: ApiRequest, member_id: UUID) -> ApiResult | HttpResponse:
    """One member. Its ETag changes with whatever is told of it."""
    told = _member(_own(request, member_id))
    return unchanged(request, tag_of(told)) or ApiResult(told, {"ETag": tag_of(told)})


@members.patch(
    "/{uuid:member_id}", response=MemberTold, operation_id="changeMember", summary="Change a member"
)
@allowed(WRITE, may=may_manage_members, problems=("member_refused",), tagged=True)
def change_member(request: ApiRequest, member_id: UUID, entered: MemberChanged) -> ApiResult:
    """Give a member another role, or switch the seat off or on. All owners are told by e-mail. The
    last owner stays. With If-Match nothing is changed when somebody else changed it meanwhile.
    """
    with refused_as("member_refused", *REFUSALS), transaction.atomic():
        seat = _held(request, member_id)
        by = request.auth.actor
        if entered.role and entered.role != seat.role:
            change_role(seat=seat, role=entered.role, by=by)
        if entered.is_active and not seat.user.is_active:
            raise SeatRefusedError(_("Staff of the programme switched this person off."))
        if entered.is_active is not None and entered.is_active != seat.is_active:
            (switch_on if entered.is_active else switch_off)(seat=seat, by=by)
        send_letters_of(seat.company_id)
    told = _member(_own(request, member_id))
    return ApiResult(told, {"ETag": tag_of(told)})


@members.delete(
    "/{uuid:member_id}",
    response={204: None},
    operation_id="removeMember",
    summary="Remove a member",
)
@allowed(WRITE, may=may_manage_members, problems=("member_refused",), tagged=True)
def remove_member(request: ApiRequest, member_id: UUID) -> HttpResponse:
    """Switch the seat of a member off. What they did stays in their name, and the seat can be
    switched on again. Doing it twice changes nothing.
    """
    with refused_as("member_refused", *REFUSALS), transaction.atomic():
        seat = _held(request, member_id)
        if seat.is_active:
            switch_off(seat=seat, by=request.auth.actor)
            send_letters_of(seat.company_id)
    return HttpResponse(status=204)


@invitations.get(
    "",
    response=PageTold[InvitationTold],
    operation_id="listInvitations",
    summary="List invitations",
)
@allowed(READ, may=may_manage_members, problems=("invalid_cursor",))
def list_invitations(request: ApiRequest, asked: Query[PageAsked]) -> PageTold[InvitationTold]:
    """The invitations that are open, those that have expired too."""
    bound = request.auth.seat.company_id
    rows = _open(request).order_by()
    found, more = page_after(rows, by=["id"], asked=asked, request=request, bound=bound)
    return PageTold[InvitationTold](data=[_invitation(each) for each in found], next=more)


@invitations.post(
    "", response={201: InvitationTold}, operation_id="invite", summary="Invite somebody"
)
@allowed(WRITE, may=may_manage_members, problems=("member_refused",), rate=INVITATIONS)
@once(together=True)
def invite_member(request: KeyedRequest, entered: InvitationEntered) -> ApiResult:
    """Invite an e-mail address to a seat, by a letter with a link that works once, for seven
    days.
    """
    company, by = request.auth.seat.company, request.auth.actor
    with refused_as("member_refused", *REFUSALS):
        made = invite(company=company, email=entered.email, role=entered.role, by=by)
    send_letters_of(company.pk)
    return ApiResult(_invitation(_open(request).get(pk=made.pk)), status=201)


@invitations.get(
    "/{uuid:invitation_id}",
    response=InvitationTold,
    operation_id="getInvitation",
    summary="Get an invitation",
)
@allowed(READ, may=may_manage_members)
def get_invitation(request: ApiRequest, invitation_id: UUID) -> InvitationTold:
    """One invitation, while it is open."""
    return _invitation(_own_invitation(request, invitation_id))


@invitations.delete(
    "/{uuid:invitation_id}",
    response={204: None},
    operation_id="takeInvitationBack",
    summary="Take an invitation back",
)
@allowed(WRITE, may=may_manage_members, problems=("member_refused",))
def take_back(request: ApiRequest, invitation_id: UUID) -> HttpResponse:
    """Take an open invitation back: its link stops working."""
    invitation = _own_invitation(request, invitation_id)
    with refused_as("member_refused", *REFUSALS):
        revoke(invitation=invitation, by=request.auth.actor)
    return HttpResponse(status=204)


def _seats(request: ApiRequest) -> QuerySet[AccountManager]:
    seats = AccountManager.objects.filter(company=request.auth.seat.company_id)
    people = seats.filter(user__is_machine=False).annotate(has_factor=has_factor("user"))
    return people.select_related("user", "company").order_by()


def _own(request: ApiRequest, member_id: UUID) -> AccountManager:
    found = _seats(request).filter(pk=member_id).first()
    if found is None:
        raise Http404
    return found


def _held(request: ApiRequest, member_id: UUID) -> AccountManager:
    """The member with the company locked, as the caller knows it (If-Match)."""
    owners_held(request.auth.seat.company_id)
    seat = _own(request, member_id)
    must_match(request, tag_of(_member(seat)))
    return seat


def _open(request: ApiRequest) -> QuerySet[Invitation]:
    rows = Invitation.objects.filter(company=request.auth.seat.company_id, end="")
    return rows.select_related("by", "company")


def _own_invitation(request: ApiRequest, invitation_id: UUID) -> Invitation:
    found = _open(request).filter(pk=invitation_id).first()
    if found is None:
        raise Http404
    return found


def _member(seat: Any) -> MemberTold:
    """Tell a row of `_seats`."""
    return MemberTold(
        id=seat.pk,
        created_at=seat.created_at,
        email=seat.email,
        name=seat.user.name,
        role=seat.role,
        is_active=seat.is_active and seat.user.is_active,
        last_seen_at=seat.user.last_login,
        second_factor=seat.has_factor,
    )


def _invitation(invitation: Invitation) -> InvitationTold:
    return InvitationTold(
        id=invitation.pk,
        created_at=invitation.created_at,
        email=invitation.email,
        role=invitation.role,
        invited_by=told_as(invitation.by, invitation.company_id),
        expires_at=invitation.expires_at,
    )
