"""Names a few of many."""

from collections.abc import Iterable

from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

MOST_NAMED = 5


def some_of(names: Iterable[str], *, most: int = MOST_NAMED) -> str:
    """The names as in “A, B and C”, each once. Of more than `most` it names fewer and counts the
    others: “A, B, C, D and 496 others”.
    """
    each = list(dict.fromkeys(names))
    if len(each) <= most:
        return get_text_list(each, _("and"))
    others = len(each) - most + 1
    told = ngettext("%(n)s other", "%(n)s others", others) % {"n": others}
    return get_text_list([*each[: most - 1], told], _("and"))
