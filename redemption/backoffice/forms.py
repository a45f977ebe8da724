"""What staff say about an order, its points, and what went wrong."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from redemption.states import Verdict


class CancelForm(forms.Form):
    """Cancelling for the company."""

    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("The company reads this."),
        max_length=255,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


class EvidenceForm(forms.Form):
    """Ending an incident."""

    evidence = forms.CharField(
        label=_("What shows that it is over"),
        help_text=_("A ticket, an entry, what was counted or said. It is kept for good."),
        max_length=2000,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
    )


class ProposeForm(forms.Form):
    """What became of a transaction, for a second person to confirm."""

    verdict = forms.ChoiceField(
        label=_("What is true"),
        choices=Verdict.choices,
        widget=UnfoldAdminSelectWidget,
    )
    entry = forms.CharField(
        label=_("The partner's entry"),
        help_text=_("Its number in the partner's statement, when it took place."),
        max_length=100,
        required=False,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
    )
    evidence = forms.CharField(
        label=_("What shows it"),
        help_text=_("Where you looked, who said so, when. A second person checks it."),
        max_length=2000,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("verdict") == Verdict.TOOK_PLACE and not given.get("entry"):
            self.add_error("entry", _("Give the number of the partner's entry."))
        return given


class RejectForm(forms.Form):
    """Not agreeing with what somebody proposed."""

    reason = forms.CharField(
        label=_("Why not"), max_length=2000, widget=UnfoldAdminTextareaWidget({"rows": 3})
    )
