"""Forms of staff about orders, points, incidents and reconciliation."""

from copy import deepcopy
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import Company
from fulfillment.desk.forms import RecipientForm
from loyalty_portal.admin_site.fields import DayField
from loyalty_portal.data.form_fields.choices import RowField
from loyalty_portal.data.form_fields.once import TokenField
from loyalty_portal.data.one_line import OneLineField, TextField
from loyalty_portal.data.recipient import FIELDS, Recipient
from redemption.models.notes import LONGEST_NOTE
from redemption.models.questions import LONGEST_QUESTION
from redemption.states import ABOUT_POINTS, REMEDIES, Verdict

LARGEST_STATEMENT = 20 * 1024 * 1024  # bytes, which is about 150,000 entries


class CancelForm(forms.Form):
    """Cancel for the company. `shown` is what the page offered to cancel (Cancellation.shown)."""

    shown = forms.CharField(required=False, widget=forms.HiddenInput)
    reason = TextField(
        label=_("Reason"),
        help_text=_("The company reads this."),
        max_length=255,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


class CreditUnitsForm(forms.Form):
    """Give points of some units back. `seen`: units whose points had gone back when the page was
    made, so that no form gives them back twice.
    """

    seen = forms.IntegerField(widget=forms.HiddenInput)
    units = forms.IntegerField(
        label=_("Units"),
        min_value=1,
        max_value=1_000_000_000,
        widget=UnfoldAdminIntegerFieldWidget({"inputmode": "numeric"}),
    )
    reason = TextField(
        label=_("Reason"),
        help_text=_("The company reads this."),
        max_length=255,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


class DecideReturnForm(forms.Form):
    """Decide of how many units that came back the points go back."""

    returned = forms.UUIDField(
        widget=forms.HiddenInput,
        error_messages={
            "required": _("Open the page and read what came back before you decide."),
            "invalid": _("Open the page and read what came back before you decide."),
        },
    )
    back = forms.IntegerField(
        label=_("Units whose points go back"),
        help_text=_("0: none."),
        min_value=0,
        max_value=1_000_000_000,
        widget=UnfoldAdminIntegerFieldWidget({"inputmode": "numeric"}),
    )
    reason = TextField(
        label=_("Reason"),
        help_text=_("The company reads this."),
        max_length=255,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


class NoteForm(forms.Form):
    """A note about an order, for other staff."""

    token = TokenField()
    text = TextField(
        label=_("Note"),
        help_text=_("Only staff read it, and it stays. Never write a code or a password here."),
        max_length=LONGEST_NOTE,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


class SettleForm(forms.Form):
    """Record that a company's message needs no answer. It carries the newest message shown."""

    token = TokenField()
    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=36)


class AnswerForm(SettleForm):
    """Answer what a company asked about an order."""

    text = TextField(
        label=_("Answer"),
        help_text=_("The company reads it, also by e-mail. Never write a code into it."),
        max_length=LONGEST_QUESTION,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
    )


class LetterAgainForm(forms.Form):
    """Have a letter sent once more."""

    letter = forms.UUIDField(
        widget=forms.HiddenInput,
        error_messages={
            "required": _("Choose a letter on the order's page."),
            "invalid": _("Choose a letter on the order's page."),
        },
    )


class ResendForm(forms.Form):
    """Have the codes of a line sent again."""

    email = forms.EmailField(
        label=pgettext_lazy("recipient", "To"),
        help_text=_("The address as it is, or a corrected one. The company is told."),
        max_length=254,
        widget=UnfoldAdminEmailInputWidget({"autocomplete": "off"}),
    )
    reason = OneLineField(
        label=_("Why"),
        help_text=_("For the order's history. Never a code."),
        max_length=180,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
    )


class CorrectRecipientForm(forms.Form):
    """Correct who gets a line, and where. What is needed depends on how it is sent, so the service
    says what is missing.
    """

    reason = OneLineField(
        label=_("Why"),
        help_text=_("The company reads this."),
        max_length=100,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        columns = {column.name: column.verbose_name for column in Recipient._meta.fields}
        for name in FIELDS:
            field = deepcopy(RecipientForm.base_fields[name])
            field.required = name == "recipient_name"
            field.label = str(columns[name]).capitalize()
            self.fields[name] = field
        self.order_fields([*FIELDS, "reason"])


class EvidenceForm(forms.Form):
    """Resolve an incident. It carries the number of cases that the page showed."""

    cases = forms.IntegerField(required=False, widget=forms.HiddenInput)
    evidence = TextField(
        label=_("Evidence that it is over"),
        help_text=_("A ticket, an entry, what was counted or said. It is kept forever."),
        max_length=2000,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
    )


class ProposeForm(forms.Form):
    """Propose the outcome of a transaction, for a second person to confirm."""

    verdict = forms.ChoiceField(
        label=_("What is true"),
        choices=[(verdict.value, verdict.label) for verdict in ABOUT_POINTS],
        widget=UnfoldAdminSelectWidget,
    )
    entry = OneLineField(
        label=_("The partner's entry"),
        help_text=_("Its number in the partner's statement, when it took place."),
        max_length=100,
        required=False,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
    )
    evidence = TextField(
        label=_("Evidence"),
        help_text=_("Where you looked, who said so, when. A second person checks it."),
        max_length=2000,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("verdict") == Verdict.TOOK_PLACE and not given.get("entry"):
            self.add_error("entry", _("Give the number of the partner's entry."))
        return given


class ProposeDeliveryForm(forms.Form):
    """Propose the outcome of a delivery, for a second person to confirm."""

    came = forms.IntegerField(
        label=_("How many came"),
        help_text=_("Of all that were ordered. 0: none did."),
        min_value=0,
        error_messages={
            "required": _("Say how many came, 0 if none did."),
            "invalid": _("Say how many came in a whole number."),
            "min_value": _("Say how many came, 0 if none did."),
        },
        widget=UnfoldAdminIntegerFieldWidget({"inputmode": "numeric"}),
    )
    evidence = TextField(
        label=_("Evidence"),
        help_text=_(
            "Where you looked, who said so, when. Never a code: it is as good as money, and this "
            "is kept forever."
        ),
        max_length=2000,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
    )


class ProposeRemedyForm(forms.Form):
    """Propose how to correct a delivery that was settled wrongly.

    `offered` in the initial values lists the remedies that fit the way it ended.
    """

    remedy = forms.ChoiceField(
        label=_("What to do"),
        choices=[(verdict.value, verdict.label) for verdict in REMEDIES],
        widget=UnfoldAdminSelectWidget,
    )
    agreed_by = OneLineField(
        label=_("Who agreed for the company"),
        help_text=_("Only when points are taken again: a person, by name."),
        max_length=200,
        required=False,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
    )
    agreed_on = DayField(label=_("On which day"), required=False)
    evidence = TextField(
        label=_("Evidence besides the partner's answer"),
        help_text=_(
            "A ticket, a letter, who said so and when. Never a code: it is as good as money, and "
            "this is kept forever."
        ),
        max_length=2000,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = self.initial.get("offered")
        if offered:
            choice: Any = self.fields["remedy"]
            choice.choices = [(verdict.value, verdict.label) for verdict in offered]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("remedy") == Verdict.CORRECTION:
            if not given.get("agreed_by"):
                self.add_error("agreed_by", _("Enter who agreed for the company."))
            if not given.get("agreed_on") and "agreed_on" not in self.errors:
                self.add_error("agreed_on", _("Say on which day."))
        return given


class ConfirmForm(forms.Form):
    """Confirm a proposal. It carries the proposal that the page showed."""

    proposal = forms.UUIDField(
        widget=forms.HiddenInput,
        error_messages={
            "required": _("Open the page and read the proposal before you decide."),
            "invalid": _("Open the page and read the proposal before you decide."),
        },
    )


class RejectProposalForm(ConfirmForm):
    """Reject a proposal."""

    reason = TextField(
        label=_("Why not"), max_length=2000, widget=UnfoldAdminTextareaWidget({"rows": 3})
    )


class CompareForm(forms.Form):
    """Compare with the partner's statement now."""

    company = RowField(Company.objects.order_by("name"), label=_("Company"))
    since = DayField(
        label=_("From"),
        help_text=_("A day (UTC). Empty: since the last time, or the oldest open difference."),
        required=False,
    )


class StatementFileForm(forms.Form):
    """Compare with an uploaded statement."""

    file = forms.FileField(
        label=_("File"),
        help_text=_(
            "CSV or XLSX with the columns transaction_id, type, account_id, points, reference and "
            "created_at, at most 20 MB."
        ),
        widget=UnfoldAdminFileFieldWidget({"accept": ".csv,.txt,.xlsx"}),
    )
    since = DayField(
        label=_("First day"), help_text=_("The file must hold all entries of these days (UTC).")
    )
    last = DayField(label=_("Last day"))
    company = RowField(
        Company.objects.order_by("name"),
        label=_("Company"),
        help_text=_("Empty: each company whose account stands in the file."),
        required=False,
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("file") and given["file"].size > LARGEST_STATEMENT:
            self.add_error("file", _("The file is larger than 20 MB. Split it by days."))
        since, last = given.get("since"), given.get("last")
        if since and last and last < since:
            self.add_error("last", _("The last day is before the first."))
        return given
