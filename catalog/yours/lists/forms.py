"""The form of a list of products: its name."""

from django import forms
from django.utils.translation import gettext_lazy as _

from catalog.models import LONGEST_LIST_NAME
from loyalty_portal.data.one_line import OneLineField


class ListForm(forms.Form):
    """Names a list."""

    name = OneLineField(label=_("Name of the list"), max_length=LONGEST_LIST_NAME)
