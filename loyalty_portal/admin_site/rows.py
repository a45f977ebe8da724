"""The rows of an admin page: how many there are is checked before any of them is read."""

from typing import TYPE_CHECKING, Any

from django.forms.formsets import INITIAL_FORM_COUNT, TOTAL_FORM_COUNT
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

# The theme's class is a subclass of Django's but carries no types, so type checkers see Django's.
if TYPE_CHECKING:
    from django.forms import BaseInlineFormSet

    _FormSet = BaseInlineFormSet[Any, Any, Any]
else:
    from unfold.forms import PaginationInlineFormSet as _FormSet

MOST_ROWS = 1000  # no page sends more: a request has at most 1,000 fields
_WRONG = _("The number of rows is missing or wrong; a page has at most 1,000. Open the page again.")


class CountedRows(_FormSet):
    """Rows whose number is refused in a sentence when it is missing, below zero or too high."""

    default_error_messages = {
        **_FormSet.default_error_messages,
        "missing_management_form": _WRONG,
    }

    @cached_property
    def management_form(self) -> Any:
        form: Any = super().management_form
        if self.is_bound:
            for name in (TOTAL_FORM_COUNT, INITIAL_FORM_COUNT):
                if not 0 <= form.cleaned_data[name] <= MOST_ROWS:
                    form.add_error(name, _WRONG)
                    form.cleaned_data[name] = 0
        return form

    def get_page_num(self) -> int:
        """The page of rows that is asked for; the first one for what is no number."""
        try:
            return int(super().get_page_num())  # type: ignore[misc] # of the theme
        except ValueError:
            return 1
