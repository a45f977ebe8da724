"""Each field that the back office shows has a name that can be translated."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten
from django.db.models import Field, Model
from django.utils.functional import Promise
from django.utils.translation import override

from accounts.models import Company
from inventory.models import Inventory
from loyalty_portal.audit.changes import tracked_models

SAME_EVERYWHERE = {"SKU", "ID"}


def test_no_field_of_a_page_has_only_an_english_name() -> None:
    shown = [*_shown()]
    assert len(shown) > 100
    only_english = {
        f"{field.model._meta.label}.{field.name}"
        for field in shown
        if not isinstance(field.verbose_name, Promise) and field.verbose_name not in SAME_EVERYWHERE
    }
    assert only_english == set()


@pytest.mark.parametrize(
    ("model", "field", "english", "german"),
    [
        (Company, "created_at", "created at", "angelegt am"),
        (Inventory, "last_updated", "last updated", "zuletzt geändert"),
    ],
)
def test_a_name_without_words_of_its_own_is_told_in_both_languages(
    model: type[Model], field: str, english: str, german: str
) -> None:
    named: Any = model._meta.get_field(field)
    for language, name in (("en", english), ("de", german)):
        with override(language):
            assert str(named.verbose_name) == name


def _shown() -> Iterator[Field[Any, Any]]:
    """The fields that lists, filters, forms and the change history of the back office name."""
    for model in tracked_models().values():
        own = ("pgh_", "id")
        yield from (each for each in model._meta.concrete_fields if not each.name.startswith(own))
    for model, page in admin.site._registry.items():
        parts: list[Any] = [*page.list_display, *page.readonly_fields, *(page.fields or ())]
        parts += [each[0] if isinstance(each, tuple) else each for each in page.list_filter]
        parts += [fields["fields"] for _title, fields in page.fieldsets or ()]
        yield from _named(model, parts)
        for inline in page.inlines:
            yield from _named(inline.model, [*(inline.fields or ()), *inline.readonly_fields])


def _named(model: type[Model], parts: list[Any]) -> Iterator[Field[Any, Any]]:
    names = {each for each in flatten(parts) if isinstance(each, str)}
    yield from (field for field in model._meta.fields if field.name in names)
