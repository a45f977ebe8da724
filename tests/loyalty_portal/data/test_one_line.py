"""Every one-line field of every form refuses or removes line breaks."""

from collections.abc import Iterator

import pytest
from django import forms
from django.contrib.admin import site
from django.test import RequestFactory

from loyalty_portal.data.one_line import OneLineField, TextField, one_line
from tests.accounts.factories import UserFactory

ROOMS = ("accounts", "catalog", "fulfillment", "inventory", "loyalty_portal", "redemption")


def ours(form: type[forms.BaseForm]) -> Iterator[type[forms.BaseForm]]:
    """The subclasses of a form class that belong to our rooms."""
    for each in form.__subclasses__():
        yield from ours(each)
        if each.__module__.split(".")[0] in ROOMS:
            yield each


def lines_of(form: type[forms.BaseForm]) -> list[str]:
    """The one-line fields that accept line breaks. Passwords and hidden fields do not count."""
    return [
        f"{form.__module__}.{form.__name__}.{name}"
        for name, field in getattr(form, "base_fields", {}).items()
        if type(field) in {forms.CharField, forms.fields.CharField}
        and not isinstance(field.widget, forms.Textarea | forms.PasswordInput | forms.HiddenInput)
    ]


def test_every_form_of_ours_has_fields_of_one_line_that_stay_one() -> None:
    forms_of_ours = list(ours(forms.BaseForm))
    assert len(forms_of_ours) > 10
    assert not [line for form in forms_of_ours for line in lines_of(form)]


@pytest.mark.django_db
def test_every_page_of_the_admin_has_fields_of_one_line_that_stay_one() -> None:
    request = RequestFactory().get("/admin/")
    request.user = UserFactory.create(superuser=True)
    found = []
    for admin in site._registry.values():
        if type(admin).__module__.split(".")[0] not in ROOMS:
            continue
        if admin.has_change_permission(request):
            found += lines_of(admin.get_form(request))
        for inline in admin.get_inline_instances(request):
            found += lines_of(inline.get_formset(request).form)
    assert not found


@pytest.mark.parametrize(
    "between", ["\r\n", "\n", "\x0b", "\x85", "\u2028", "\u2029", "\x00", "\t"]
)
def test_whatever_breaks_a_line_becomes_a_blank(between: str) -> None:
    assert one_line(f" Q4{between}{between}2026 ") == "Q4 2026"
    if between != "\x00":
        assert OneLineField().clean(f"Q4{between}2026") == "Q4 2026"


@pytest.mark.parametrize("typed", ["\u200b", " \u200e\u200b ", "\u3164", "\u2800\n\u2800"])
@pytest.mark.parametrize("field", [OneLineField, TextField])
def test_what_nobody_can_see_is_refused(field: type[forms.CharField], typed: str) -> None:
    for required in (True, False):
        with pytest.raises(forms.ValidationError, match="only characters that nobody can see"):
            field(required=required).clean(typed)
    assert field(required=False).clean("  ") == ""


@pytest.mark.parametrize("field", [OneLineField, TextField])
def test_signs_that_turn_the_text_around_them_are_left_out(field: type[forms.CharField]) -> None:
    assert field().clean("Ada \u202eByron\u202c \u2066x\u2069") == "Ada Byron x"
