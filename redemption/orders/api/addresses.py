"""Operations on the company's address book, by the form of the checkout's page.

Whoever may redeem uses the address book, as on the page; the scopes are those of orders, which name
the same recipients (docs/decisions/0061-the-address-book-over-the-api.md).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import Field

from accounts.access.bearer import ApiRequest
from accounts.access.once import KeyedRequest, once
from accounts.models import Address
from accounts.permissions import may_redeem
from loyalty_portal.api.calls import ApiResult, allowed, must_match, tag_of, unchanged
from loyalty_portal.api.cursors import page_after
from loyalty_portal.api.problems import ApiProblemError, Mistake
from loyalty_portal.api.shapes import PageAsked, PageTold, RequestShape, Text
from loyalty_portal.data.recipient import FIELDS
from redemption.checkout.forms import AddressForm
from redemption.checkout.selectors import MOST_ADDRESSES
from redemption.orders.api.placing import COLUMNS, RecipientEntered
from redemption.orders.api.told import RecipientTold

addresses = Router(tags=["addresses"])
READ, WRITE = "orders:read", "orders:write"


class AddressTold(RecipientTold):
    """An entry of the address book. Its fields are those of a line's recipient."""

    id: UUID
    created_at: datetime


class AddressEntered(RecipientEntered):
    """A new entry of the address book."""


class AddressChanged(RequestShape):
    """What to change of an entry. What is missing stays; null or an empty text clears it."""

    name: Annotated[Text, Field(max_length=255)] | None = None
    email: Annotated[Text, Field(max_length=254)] | None = None
    phone: Annotated[Text, Field(max_length=32)] | None = None
    address_line1: Annotated[Text, Field(max_length=255)] | None = Field(
        None, examples=["Invalidenstr. 43"]
    )
    address_line2: Annotated[Text, Field(max_length=255)] | None = None
    city: Annotated[Text, Field(max_length=120)] | None = None
    region: Annotated[Text, Field(max_length=120)] | None = None
    postcode: Annotated[Text, Field(max_length=20)] | None = None
    country: Annotated[Text, Field(max_length=80)] | None = Field(
        None, description="Two letters of ISO 3166, such as DE."
    )


@addresses.get(
    "", response=PageTold[AddressTold], operation_id="listAddresses", summary="List addresses"
)
@allowed(READ, may=may_redeem, problems=("invalid_cursor",))
def list_addresses(request: ApiRequest, asked: Query[PageAsked]) -> PageTold[AddressTold]:
    """The company's address book, the oldest entry first."""
    rows, bound = _book(request), request.auth.seat.company_id
    found, more = page_after(rows, by=["id"], asked=asked, request=request, bound=bound)
    return PageTold[AddressTold](data=[_told(row) for row in found], next=more)


@addresses.get(
    "/{uuid:address_id}", response=AddressTold, operation_id="getAddress", summary="Get an address"
)
@allowed(READ, may=may_redeem, tagged=True)
def get_address(request: ApiRequest, address_id: UUID) -> ApiResult | HttpResponse:
    """One entry. Its ETag changes with whatever is told of it."""
    told = _told(_found(_book(request), address_id))
    return unchanged(request, tag_of(told)) or ApiResult(told, {"ETag": tag_of(told)})


@addresses.post(
    "", response={201: AddressTold}, operation_id="addAddress", summary="Add an address"
)
@allowed(WRITE, may=may_redeem, problems=("address_refused",))
@once(together=True)
def add_address(request: KeyedRequest, entered: AddressEntered) -> ApiResult:
    """Keep an address in the address book. It holds 500."""
    if _book(request).count() >= MOST_ADDRESSES:
        why = _("The address book holds %(most)s addresses. Remove one first.")
        raise ApiProblemError("address_refused", why % {"most": MOST_ADDRESSES})
    row = Address(company=request.auth.seat.company)
    told = _told(_written(row, entered.model_dump()))
    return ApiResult(told, {"ETag": tag_of(told)}, status=201)


@addresses.patch(
    "/{uuid:address_id}",
    response=AddressTold,
    operation_id="changeAddress",
    summary="Change an address",
)
@allowed(WRITE, may=may_redeem, tagged=True)
def change_address(request: ApiRequest, address_id: UUID, entered: AddressChanged) -> ApiResult:
    """Change an entry. Orders that were sent to it keep what they had. With If-Match nothing is
    changed when somebody else changed it meanwhile.
    """
    with transaction.atomic():
        row = _held(request, address_id)
        told = _told(_written(row, entered.model_dump(exclude_unset=True)))
    return ApiResult(told, {"ETag": tag_of(told)})


@addresses.delete(
    "/{uuid:address_id}",
    response={204: None},
    operation_id="removeAddress",
    summary="Remove an address",
)
@allowed(WRITE, may=may_redeem, tagged=True)
def remove_address(request: ApiRequest, address_id: UUID) -> HttpResponse:
    """Take an entry out of the address book. Orders that were sent to it keep what they had."""
    with transaction.atomic():
        _held(request, address_id).delete()
    return HttpResponse(status=204)


def _book(request: ApiRequest) -> QuerySet[Address]:
    return Address.objects.filter(company=request.auth.seat.company_id).order_by()


def _found(rows: QuerySet[Address], address_id: UUID) -> Address:
    found = rows.filter(pk=address_id).first()
    if found is None:
        raise Http404
    return found


def _held(request: ApiRequest, address_id: UUID) -> Address:
    """The entry, locked, as the caller knows it (If-Match)."""
    row = _found(_book(request).select_for_update(no_key=True), address_id)
    must_match(request, tag_of(_told(row)))
    return row


def _written(row: Address, said: Mapping[str, str | None]) -> Address:
    """The entry with these fields, saved. Raises the problem `invalid` with all mistakes."""
    given = {_column(name): text or "" for name, text in said.items()}
    form = AddressForm({**row.recipient(), **given}, instance=row)
    if not form.is_valid():
        raise ApiProblemError("invalid", errors=_mistakes(form))
    return form.save()


def _mistakes(form: AddressForm) -> list[Mistake]:
    return [
        Mistake("body", f"/{_name(column)}", error.code or "invalid", sentence)
        for column, errors in form.errors.as_data().items()
        for error in errors
        for sentence in error.messages
    ]


def _column(name: str) -> str:
    return COLUMNS.get(name, name)


def _name(column: str) -> str:
    return column.removeprefix("recipient_")


def _told(row: Address) -> AddressTold:
    said = {_name(column): getattr(row, column) or None for column in FIELDS}
    return AddressTold(id=row.pk, created_at=row.created_at, **said)
