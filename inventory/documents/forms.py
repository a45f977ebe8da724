"""The form of a stock document: what happened, and the list so far."""

import uuid
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from catalog.importing.records import ImportFileError
from inventory.documents.lists import FileRows, entries, file_rows
from inventory.models import DocumentKind
from loyalty_portal.data.one_line import OneLineField
from loyalty_portal.data.texts.numbers import grouped

AT_ONCE = 1_000  # lines that are written while the person waits; more are a job
MOST_LINES = 20_000  # of one document; they are checked while the person waits
LARGEST_FILE = 20_000_000  # bytes


class DocumentForm(forms.Form):
    """What a receipt, a count or an adjustment is about, and its list.

    `seen`: the pieces on the shelf as the page showed them, a SKU and a number in each line.
    """

    token = forms.UUIDField(widget=forms.HiddenInput)
    reference = OneLineField(
        label=_("Delivery note or list"),
        max_length=100,
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )
    reason = OneLineField(
        label=_("Reason"), max_length=255, required=False, widget=UnfoldAdminTextInputWidget
    )
    lines = forms.CharField(
        label=_("List"),
        help_text=_("Each line: the SKU, a tab or space, the number of pieces. Paste it here."),
        required=False,
        strip=False,
        max_length=900_000,
        widget=UnfoldAdminTextareaWidget({"rows": 10, "spellcheck": "false"}),
    )
    seen = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)
    file = forms.FileField(
        label=_("From a file"),
        help_text=_("CSV or XLSX with the columns SKU and quantity. Its lines join the list."),
        required=False,
        widget=forms.ClearableFileInput({"accept": ".csv,.txt,.tsv,.xlsx"}),
    )

    def __init__(self, *given: Any, kind: DocumentKind, **named: Any) -> None:
        super().__init__(*given, **named)
        self.kind = kind
        if kind != DocumentKind.RECEIPT:
            self.fields["reason"].required = True
            self.fields["reference"].label = _("Its own number, if it has one")

    def clean_file(self) -> FileRows | None:
        """Read the file; refuse one that cannot be read."""
        sent: UploadedFile[Any] | None = self.cleaned_data["file"]
        if not sent:
            return None
        if (sent.size or 0) > LARGEST_FILE:
            raise forms.ValidationError(_("The file is larger than 20 MB. Split it."))
        # The reader needs a file with a name. Use our own name, never the uploaded one.
        with NamedTemporaryFile() as kept:
            for piece in sent.chunks():
                kept.write(piece)
            kept.flush()
            try:
                return file_rows(Path(kept.name), most=MOST_LINES)
            except ImportFileError as error:
                raise forms.ValidationError(str(error)) from error

    def clean_lines(self) -> str:
        text: str = self.cleaned_data["lines"]
        if len(text.splitlines()) > MOST_LINES * 2 or len(entries(text)) > MOST_LINES:
            raise forms.ValidationError(
                _("A list has at most %(n)s lines. Split it.") % {"n": grouped(MOST_LINES)}
            )
        return text

    def clean_seen(self) -> dict[str, int]:
        """The pieces on the shelf by SKU in capitals; what cannot be read is left out."""
        return {
            each.key: each.pieces
            for each in entries(self.cleaned_data["seen"])
            if each.pieces is not None
        }


class ScanForm(forms.Form):
    """One scan: a SKU, and how many pieces of it."""

    scan = OneLineField(required=False, max_length=10_000)
    pieces = forms.IntegerField(
        required=False,
        min_value=-1_000_000,
        max_value=1_000_000,
        error_messages={
            "invalid": _("Type a whole number of pieces."),
            "min_value": _("Type a smaller number of pieces."),
            "max_value": _("Type a smaller number of pieces."),
        },
    )


def new_token() -> uuid.UUID:
    """The token of a new form."""
    return uuid.uuid4()
