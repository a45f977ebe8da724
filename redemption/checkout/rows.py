"""Reads rows of a draft from text: what each person gets, with the errors of each cell.

The page of the cart uses it, and whatever else takes rows: a pasted table, a file, a call.
"""

import functools
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson
from django import forms
from django.forms.models import fields_for_model
from django.utils import timezone
from django.utils.text import capfirst, get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Address, Company
from catalog.models import Product
from loyalty_portal.data.countries import CountryField, checked_postcode, postcodes
from loyalty_portal.data.one_line import TextField, formfield, has_link
from loyalty_portal.data.recipient import FIELDS
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.zones import local_day
from redemption.checkout.waits import LONGEST_MESSAGE, MOST_AHEAD
from redemption.models.cart import MOST_ROWS, CartLine

MOST_OF_ONE = 1_000  # pieces of one product in one cart
LONGEST_NUMBER = 12  # digits that are read as a number, and shown again when they are wrong
COLUMNS = ("quantity", *FIELDS, "message", "send_on", "asks")
STREET = ("address_line1", "address_line2", "postcode", "city", "region", "country")
PARCEL_ONLY = ("recipient_phone", *STREET)
MISSING = {
    "recipient_name": gettext_lazy("Enter the name of whoever gets it."),
    "recipient_email": gettext_lazy("Enter the e-mail address that the codes go to."),
    "address_line1": gettext_lazy("Enter the street and number."),
    "postcode": gettext_lazy("Enter the postcode."),
    "city": gettext_lazy("Enter the city."),
    "country": gettext_lazy("Choose the country."),
}
ASKED_AT = gettext_lazy("Enter the e-mail address at which they are asked.")
ASKS_PARCEL = gettext_lazy("Let them tell us where to send it")
ASKS_MAIL = gettext_lazy("Let them confirm their e-mail")
YES = "yes"  # in the column of those who are asked
_YES = frozenset({YES, "ja", "y", "j", "x", "1", "true", "wahr"})
_NO = frozenset({"", "no", "nein", "n", "0", "false", "falsch"})
_NEEDED_BY_MAIL = ("recipient_name", "recipient_email")
_NEEDED_BY_PARCEL = ("recipient_name", "address_line1", "city", "country")
DAYS = ("%Y-%m-%d", "%d.%m.%Y")  # no format whose day and month could be taken for one another
# A cell that a spreadsheet would compute. A text such as "=)" is none.
_FORMULA = re.compile(r"=\s*[\w\"(@+-]")


@dataclass(frozen=True, slots=True)
class GivenRow:
    """A row as somebody gave it: texts by column (COLUMNS); others are not looked at."""

    product: Product
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DraftRow:
    """A row as it is understood. `recipient` has all columns of a recipient, some perhaps empty."""

    product: Product
    quantity: int
    recipient: Mapping[str, str]
    message: str = ""
    send_on: date | None = None
    asks: bool = False  # the person is asked where to send it


@dataclass(frozen=True, slots=True)
class CellError:
    """What is wrong with a cell. `row` counts from 0; `column` is one of COLUMNS, or "" for a row
    as a whole.

    `code`: "required" for what is missing, which a draft may keep and an order may not; "invalid";
    or "too_many" for the first row beyond MOST_ROWS.
    """

    row: int
    column: str
    code: str
    detail: str

    @property
    def is_gap(self) -> bool:
        return self.code == "required"


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows, one for each that was given, and the errors. A cell with an error is empty in its
    row (a quantity is 1).
    """

    rows: list[DraftRow] = field(default_factory=list)
    errors: list[CellError] = field(default_factory=list)

    @property
    def can_be_kept(self) -> bool:
        """Whether a draft may hold these rows: cells are missing at most."""
        return all(error.is_gap for error in self.errors)


def today_of(company: Company) -> date:
    """The day that it is where the company is."""
    return local_day(timezone.now(), company.time_zone)


def read_rows(given: Sequence[GivenRow], *, today: date) -> Reading:
    """Read the rows. Makes no query. `today`: in the time zone of the company.

    An empty quantity is one piece. Of a product that is sent by e-mail the address is not kept.
    """
    if len(given) > MOST_ROWS:
        facts = {"most": MOST_ROWS, "count": len(given)}
        told = _("At most %(most)s rows fit into one order; these are %(count)s.") % facts
        return Reading(errors=[CellError(MOST_ROWS, "", "too_many", told)])
    reading = Reading()
    for number, each in enumerate(given):
        row, errors = _read(each, today)
        reading.rows.append(row)
        reading.errors.extend(CellError(number, *error) for error in errors)
    return reading


def same_people(rows: Sequence[DraftRow]) -> list[str]:
    """One sentence for each person who gets one product in several rows. This is allowed."""
    places: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for number, row in enumerate(rows, start=1):
        if who := _who(row):
            places[row.product.pk, *who].append(number)
    return [
        _("%(name)s gets “%(product)s” in rows %(rows)s.")
        % {
            "name": rows[numbers[0] - 1].recipient["recipient_name"],
            "product": rows[numbers[0] - 1].product.name,
            "rows": get_text_list([str(number) for number in numbers], _("and")),
        }
        for numbers in places.values()
        if len(numbers) > 1
    ]


def version_of(lines: Iterable[CartLine]) -> str:
    """A text that differs whenever the rows do: a page shows it, and the service compares it."""
    facts = [[getattr(line, name) for name in ("position", *COLUMNS)] for line in lines]
    return hashlib.sha256(orjson.dumps(facts)).hexdigest()


def saved_rows(lines: Iterable[CartLine], *, today: date) -> Reading:
    """Read the rows of a saved draft again, for the day may be over by now. `product` is loaded."""
    return read_rows([GivenRow(line.product, texts_of(line)) for line in lines], today=today)


def texts_of(line: CartLine) -> dict[str, str]:
    """The cells of a saved row as texts."""
    texts = {column: str(getattr(line, column) or "") for column in COLUMNS}
    return {**texts, "asks": YES if line.asks else ""}


def label_of(column: str) -> str:
    """The name of a column, for people."""
    return capfirst(str(_cells()[column].label))


def recipient_of(product: Product, said: Mapping[str, str]) -> dict[str, str]:
    """All columns of a recipient; the address is empty where only codes are sent."""
    columns = {name: said.get(name) or "" for name in FIELDS}
    return {**columns, **dict.fromkeys(PARCEL_ONLY, "")} if product.is_virtual else columns


def _who(row: DraftRow) -> tuple[str, ...]:
    """What tells a person from others: the e-mail address for codes, else name and address."""
    if row.product.is_virtual:
        return tuple(filter(None, [row.recipient["recipient_email"].casefold()]))
    where = tuple(row.recipient[name].casefold() for name in ("recipient_name", *STREET))
    return where if where[0] else ()


_Errors = list[tuple[str, str, str]]  # column, code, sentence


def _cleaned(given: Mapping[str, str], columns: Iterable[str]) -> tuple[dict[str, Any], _Errors]:
    """The values of these columns that can be read, and what is wrong with the others."""
    said: dict[str, Any] = {}
    errors: _Errors = []
    cells = _cells()
    for column in columns:
        text = str(given.get(column) or "")
        if _FORMULA.match(text):
            told = _("This is a formula. Write the text or the number itself.")
            errors.append((column, "invalid", told))
            continue
        try:
            said[column] = cells[column].clean(text)
        except forms.ValidationError as error:
            errors.append((column, "invalid", " ".join(error.messages)))
    return said, errors


def _missing(recipient: Mapping[str, str], needed: Iterable[str], wrong: set[str]) -> _Errors:
    return [
        (column, "required", str(MISSING[column]))
        for column in needed
        if column not in wrong and not recipient[column]
    ]


def read_address(given: Mapping[str, str]) -> tuple[dict[str, str], _Errors]:
    """An entry of the address book from texts by column, and what is wrong: column, code, sentence.
    A cell with an error is empty.
    """
    said, errors = _cleaned(given, FIELDS)
    recipient = {name: said.get(name) or "" for name in FIELDS}
    wrong = {column for column, *_rest in errors}
    errors += _address_errors(recipient, wrong)
    return recipient, [*errors, *_missing(recipient, _NEEDED_BY_PARCEL, wrong)]


def _read(given: GivenRow, today: date) -> tuple[DraftRow, _Errors]:
    product = given.product
    said, errors = _cleaned(given.cells, COLUMNS)
    recipient = recipient_of(product, said)
    wrong = {column for column, *_rest in errors}
    asks = bool(said.get("asks"))
    if asks:
        errors += _asked_errors(recipient, said.get("send_on"))
    elif not product.is_virtual:
        errors += _address_errors(recipient, wrong)
    needed = _NEEDED_BY_MAIL if asks or product.is_virtual else _NEEDED_BY_PARCEL
    missing = _missing(recipient, needed, wrong)
    errors += [_asked_at(each) for each in missing] if asks else missing
    day = said.get("send_on")
    errors += [("send_on", "invalid", why) for why in _day_errors(product, day, today)]
    row = DraftRow(product, said.get("quantity", 1), recipient, said.get("message", ""), day, asks)
    return row, errors


def _asked_at(error: tuple[str, str, str]) -> tuple[str, str, str]:
    """The error of a row whose person is asked: no code goes to their address yet."""
    column, code, told = error
    return column, code, str(ASKED_AT) if column == "recipient_email" else told


def _asked_errors(recipient: Mapping[str, str], day: date | None) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a row whose person is asked: an address, or a day."""
    if typed := next((name for name in PARCEL_ONLY if recipient[name]), None):
        told = _("They are asked for it: leave it empty, or do not ask them.")
        yield (typed, "invalid", told)
    if day:
        told = _("It is sent when they have answered, so it cannot wait for a day too.")
        yield ("send_on", "invalid", told)


def _address_errors(recipient: dict[str, str], wrong: set[str]) -> _Errors:
    """Check the postcode by the rules of the country, and write it in their form."""
    if not recipient["country"] or "postcode" in wrong:
        return []
    if not recipient["postcode"]:
        needed = postcodes(recipient["country"]).needed
        return [("postcode", "required", str(MISSING["postcode"]))] if needed else []
    try:
        recipient["postcode"] = checked_postcode(recipient["country"], recipient["postcode"])
    except forms.ValidationError as error:
        recipient["postcode"] = ""
        return [("postcode", "invalid", " ".join(error.messages))]
    return []


def _day_errors(product: Product, day: date | None, today: date) -> Iterator[str]:
    if day is None:
        return
    if not product.is_virtual:
        yield _("A parcel cannot wait for a date.")
    elif day < today:
        yield _("This day is over. Choose another, or none to send it at once.")
    elif day > today + MOST_AHEAD:
        yield _("Choose a day within a year.")


def pieces(text: str) -> int:
    """A whole number from 1 to MOST_OF_ONE. Raises ValidationError for anything else."""
    text = text.strip()
    is_number = text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER
    if not is_number or not 1 <= int(text) <= MOST_OF_ONE:
        raise forms.ValidationError(
            _("Quantity must be a whole number from 1 to %(most)s.")
            % {"most": grouped(MOST_OF_ONE)}
        )
    return int(text)


class _QuantityField(forms.Field):
    """Pieces for one person, one when empty."""

    def clean(self, value: Any) -> int:
        return pieces(str(value)) if str(value).strip() else 1


class _MessageField(TextField):
    """A message to a recipient, without links: they would look like those of a swindler."""

    def clean(self, value: Any) -> str:
        text = str(super().clean(value))
        if has_link(text):
            raise forms.ValidationError(_("A message may not have links or web addresses."))
        return text


class _AsksField(forms.Field):
    """Whether the person is asked: yes or no, in English or German."""

    def clean(self, value: Any) -> bool:
        text = str(value).strip().casefold()
        if text not in _YES | _NO:
            raise forms.ValidationError(_("Write yes, or leave it empty."))
        return text in _YES


@functools.cache
def _cells() -> dict[str, forms.Field]:
    """A form field for each column, which checks its cells. None is required."""
    columns = fields_for_model(Address, fields=FIELDS, formfield_callback=formfield)
    cells: dict[str, forms.Field] = {
        "quantity": _QuantityField(label=gettext_lazy("Pieces")),
        **columns,
        "country": CountryField(max_length=80, label=gettext_lazy("Country")),
        "message": _MessageField(max_length=LONGEST_MESSAGE, label=gettext_lazy("Message to them")),
        "send_on": forms.DateField(input_formats=DAYS, label=gettext_lazy("Send on")),
        "asks": _AsksField(label=gettext_lazy("Let them choose")),
    }
    for cell in cells.values():
        cell.required = False
    return cells
