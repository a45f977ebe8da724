"""The forms of the desk."""

from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from fulfillment.desk import tracking
from fulfillment.desk.selectors import ParcelShown, tracked_as, workers
from fulfillment.models import Fulfillment
from fulfillment.states import ReturnedTo
from loyalty_portal.data.countries import CountryField
from loyalty_portal.data.form_fields.choices import RowField
from loyalty_portal.data.form_fields.once import TokenField
from loyalty_portal.data.one_line import OneLineField, TextField
from loyalty_portal.data.recipient import Recipient

# More units than any order line has, and less than the columns' limit.
MOST = 1_000_000_000
MOST_CHOSEN = 100  # parcels of one batch


class ShipForm(forms.Form):
    """Ships units. `seen`: units that were open when the page was made, so that no form counts
    twice.
    """

    seen = forms.IntegerField(widget=forms.HiddenInput)
    quantity = forms.IntegerField(
        label=_("Pieces in this parcel"),
        min_value=1,
        max_value=MOST,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    carrier = OneLineField(label=_("Carrier"), max_length=80, widget=UnfoldAdminTextInputWidget)
    tracking_number = OneLineField(
        label=_("Tracking number"),
        max_length=120,
        required=False,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
    )


class CannotSupplyForm(forms.Form):
    """Gives up units that cannot be supplied; `seen` as above."""

    seen = forms.IntegerField(widget=forms.HiddenInput)
    quantity = forms.IntegerField(
        label=_("Pieces that cannot be supplied"),
        min_value=1,
        max_value=MOST,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    reason = TextField(
        label=_("Reason"),
        help_text=_("The company reads this. The points of these pieces go back to it."),
        max_length=255,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


class ReturnForm(forms.Form):
    """Records that delivered units came back. `with_recipient`: how many were there when the page
    was made, so that no form counts twice.
    """

    with_recipient = forms.IntegerField(widget=forms.HiddenInput)
    returned = forms.IntegerField(
        label=_("Pieces that came back"),
        min_value=1,
        max_value=MOST,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    to = forms.TypedChoiceField(
        label=_("Where they go"),
        coerce=ReturnedTo,
        choices=ReturnedTo.choices,
        widget=UnfoldAdminSelectWidget,
    )
    reason = TextField(
        label=_("Why it came back"),
        help_text=_("The company reads this. Finance decides about the points."),
        max_length=255,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


class DeliverForm(forms.Form):
    """Records that a parcel has arrived."""

    shipment = forms.UUIDField(widget=forms.HiddenInput)


class TakeOverForm(forms.Form):
    """Takes work over from a colleague: the one who had it when the page was made, nobody else."""

    whose = forms.UUIDField(widget=forms.HiddenInput)


class ParcelForm(forms.Form):
    """A form about a parcel as it was shown."""

    def __init__(self, *given: Any, shown: ParcelShown, **named: Any) -> None:
        super().__init__(*given, **named)
        self.shown = shown


class GivenForm(ParcelForm):
    """Gives the parcel to a colleague. `people` may work at the desk."""

    colleague: Any = RowField(
        queryset=None,
        label=_("Colleague"),
        error_messages={"invalid_choice": _("Choose a colleague from the list.")},
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        field: Any = self.fields["colleague"]
        field.queryset = workers()


class ParcelTakeOverForm(ParcelForm):
    """Takes the parcel over from a colleague: the one who had it when the page was made."""

    whose = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        line = self.shown.claimed_line
        self.initial["whose"] = line.claimed_by_id if line else None


class HoldForm(ParcelForm):
    """Puts the parcel on hold."""

    reason = OneLineField(
        label=_("Why it waits"), max_length=200, widget=UnfoldAdminTextInputWidget
    )


class WordForm(ParcelForm):
    """Tells the account manager something."""

    token = TokenField()
    text = TextField(
        label=_("Note to the account manager"),
        help_text=_("It stands in the order’s timeline, which everybody of the company may read."),
        max_length=240,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


class RecipientForm(ParcelForm):
    """Corrects to whom and where the parcel goes."""

    recipient_name = OneLineField(max_length=255, widget=UnfoldAdminTextInputWidget)
    address_line1 = OneLineField(max_length=255, widget=UnfoldAdminTextInputWidget)
    address_line2 = OneLineField(max_length=255, required=False, widget=UnfoldAdminTextInputWidget)
    postcode = OneLineField(max_length=20, required=False, widget=UnfoldAdminTextInputWidget)
    city = OneLineField(max_length=120, widget=UnfoldAdminTextInputWidget)
    region = OneLineField(max_length=120, required=False, widget=UnfoldAdminTextInputWidget)
    country = CountryField()
    recipient_phone = OneLineField(max_length=32, required=False, widget=UnfoldAdminTextInputWidget)
    recipient_email = forms.EmailField(required=False, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.initial.update(self.shown.line.recipient())
        columns = {column.name: column.verbose_name for column in Recipient._meta.fields}
        for name, field in self.fields.items():
            field.label = str(columns[name]).capitalize()


class LineForm(ParcelForm):
    """About one line of the parcel."""

    line = forms.ChoiceField(label=_("Product"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        field: Any = self.fields["line"]
        field.choices = [(str(line.pk), str(line)) for line in self.choosable()]

    def choosable(self) -> list[Fulfillment]:
        return self.shown.lines


class LineNotSuppliedForm(LineForm):
    """Gives up units of a line."""

    seen = forms.CharField(widget=forms.HiddenInput)
    quantity = forms.IntegerField(
        label=_("Pieces that cannot be supplied"),
        min_value=1,
        max_value=MOST,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    reason = CannotSupplyForm.base_fields["reason"]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.initial["seen"] = self.shown.state
        if len(self.shown.lines) == 1:
            self.initial["quantity"] = self.shown.lines[0].open_quantity


class LineReturnForm(LineForm):
    """Records that delivered units came back. `with_recipient` as above, of all lines together."""

    with_recipient = ReturnForm.base_fields["with_recipient"]
    returned = ReturnForm.base_fields["returned"]
    to = ReturnForm.base_fields["to"]
    reason = ReturnForm.base_fields["reason"]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        there = [line.with_recipient for line in self.choosable()]
        self.initial["with_recipient"] = sum(there)
        if len(there) == 1:
            self.initial["returned"] = there[0]

    def choosable(self) -> list[Fulfillment]:
        """The lines of the order of which something is with the recipient, each once."""
        lines = {line.fulfillment_id: line.fulfillment for line in self.shown.sent}
        return [line for line in lines.values() if line.with_recipient]


class ChosenForm(forms.Form):
    """The parcels that are ticked in the queue. `chosen` becomes a key of a line of each."""

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        given["chosen"] = self._chosen()
        return given

    def _chosen(self) -> list[UUID]:
        data: Any = self.data
        ticked = data.getlist("chosen")
        if not ticked:
            self.add_error(None, _("Choose parcels in the queue first."))
        if len(ticked) > MOST_CHOSEN:
            told = _("At most %(most)s parcels at once.") % {"most": MOST_CHOSEN}
            self.add_error(None, told)
            return []
        try:
            return [UUID(key) for key in ticked]
        except ValueError:
            self.add_error(None, _("Open the queue again and choose the parcels there."))
            return []


class BatchForm(ChosenForm):
    """Ships the ticked parcels with one carrier."""

    carrier = OneLineField(
        label=_("Carrier"),
        max_length=80,
        error_messages={"required": _("Say which carrier takes the parcels.")},
    )


class PackForm(ParcelForm):
    """Packs and ships the parcel. A field for each line says how many of its pieces go now.

    `sure` confirms a number whose check digit is wrong, or that another parcel has.
    """

    seen = forms.CharField(widget=forms.HiddenInput)
    carrier = OneLineField(
        label=_("Carrier"),
        max_length=80,
        widget=UnfoldAdminTextInputWidget({"list": "carriers", "autocomplete": "off"}),
    )
    tracking_number = OneLineField(
        label=_("Tracking number"),
        max_length=120,
        required=False,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
    )
    on_scan = forms.BooleanField(
        label=_("Send it as soon as its tracking number is scanned"), required=False
    )
    sure = forms.BooleanField(label=_("The tracking number is right"), required=False)

    doubt = ""  # why the number may be wrong

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.initial["seen"] = self.shown.state
        for line in self.shown.lines:
            label = _("Pieces of %(what)s to send now") % {"what": line.product_name}
            self.fields[f"units-{line.pk}"] = forms.IntegerField(
                label=label,
                min_value=0,
                max_value=line.open_quantity,
                initial=line.open_quantity,
                required=False,
                widget=forms.NumberInput(
                    {"form": "desk-ship", "class": "desk__units", "aria-label": label}
                ),
            )

    def units(self) -> dict[UUID, forms.BoundField]:
        """The fields of the pieces by the keys of their lines."""
        return {line.pk: self[f"units-{line.pk}"] for line in self.shown.lines}

    def chosen(self) -> dict[UUID, int]:
        """The pieces by line. A form without a line's field means all that are open."""
        said = {line: self.cleaned_data[f"units-{line.pk}"] for line in self.shown.lines}
        return {
            line.pk: line.open_quantity if units is None else units for line, units in said.items()
        }

    def clean_tracking_number(self) -> str:
        said: str = self.cleaned_data["tracking_number"]
        return tracking.plain(said) if tracking.read(said) else said

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or self.cleaned_data
        for name in (f"units-{line.pk}" for line in self.shown.lines):
            if name in self.data and name in said and said[name] is None:
                self.add_error(name, _("Type how many."))
        self.doubt = self._doubt(said.get("carrier", ""), said.get("tracking_number", ""))
        if self.doubt and not said.get("sure"):
            self.add_error("tracking_number", self.doubt)
        return said

    def _doubt(self, carrier: str, number: str) -> str:
        if number and tracking.is_doubtful(carrier, number):
            told = _("This is no number of %(carrier)s: its form or its check digit is wrong.")
            return told % {"carrier": carrier}
        if number and tracked_as(tracking.plain(number)).exists():
            return str(_("Another parcel has this tracking number."))
        return ""
