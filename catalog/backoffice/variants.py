"""The variants of a family as a grid: a row each, with a box for each option.

A family's options are one text, such as “Size / Colour”, and so are a variant's values, such as
“M / Red”, as imports read them. The grid splits both at AND.
"""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.formsets import DELETION_FIELD_NAME
from django.utils.translation import gettext as _
from unfold.widgets import UnfoldAdminTextInputWidget

from catalog.backoffice.forms import SkuForm
from catalog.models import Product
from loyalty_portal.admin_site.rows import CountedRows
from loyalty_portal.data.one_line import OneLineField, formfield

AND = " / "
MOST_OPTIONS = 3
LONGEST = 120  # characters of all values of a variant together


def option_names(options: str) -> list[str]:
    """The names in a family's options: “Size / Colour” has two."""
    return [name.strip() for name in options.split("/") if name.strip()]


class OptionsWidget(forms.MultiWidget):
    """A box for each option. Its label is the option's name."""

    def __init__(self, labels: Sequence[str], *, hidden: bool = False) -> None:
        kind = forms.HiddenInput if hidden else UnfoldAdminTextInputWidget
        super().__init__(
            [kind(attrs={"aria-label": label, "placeholder": label}) for label in labels]
        )

    def decompress(self, value: str | None) -> list[str]:
        boxes = len(self.widgets)
        parts = (value or "").split(AND, boxes - 1)
        return [*parts, *[""] * (boxes - len(parts))]


class OptionsField(forms.MultiValueField):
    """A variant's values, in the order of the family's options."""

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__(
            [OneLineField(max_length=LONGEST, required=False) for _label in labels],
            require_all_fields=False,
            required=False,
            widget=OptionsWidget(labels),
            label=AND.join(labels),
        )
        self.hidden_widget = lambda: OptionsWidget(labels, hidden=True)  # type: ignore[assignment] # Django calls it

    def compress(self, data_list: list[str]) -> str:
        return AND.join(value for value in data_list if value)


class VariantForm(SkuForm):
    """A row of the grid. `names` are the family's options."""

    names: Sequence[str] = ()

    class Meta:
        model = Product
        fields = ("sku", "variant", "points_cost", "is_active")
        formfield_callback = formfield

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.setdefault("aria-label", field.label)

    def clean_variant(self) -> str:
        """Check that each option has one value. What an import wrote otherwise may stay."""
        variant: str = self.cleaned_data["variant"]
        if self.instance.slug and "variant" not in self.changed_data:
            return str(self.instance.variant)
        values = self["variant"].data
        given = [(value or "").strip() for value in values]  # a box may not have been sent
        if any(AND.strip() in value for value in given) and len(given) > 1:
            raise ValidationError(_("A value cannot contain a slash."))
        missing = [
            name for name, value in zip(self.names, given, strict=False) if not value
        ] or self.names[len(given) :]
        if missing:
            raise ValidationError(_("Give its value for: %s.") % ", ".join(missing))
        if any(given[max(len(self.names), 1) :]):
            raise ValidationError(_("Name this option above first, such as “Size / Colour”."))
        if len(variant) > LONGEST:
            raise ValidationError(_("The values are longer than %s characters.") % LONGEST)
        return variant


def variant_form(names: Sequence[str], *, boxes: int) -> type[VariantForm]:
    """The class of the grid's rows for a family with these options."""
    labels = [
        names[place] if place < len(names) else _("Option %(number)s") % {"number": place + 1}
        for place in range(boxes)
    ]
    own = {"variant": OptionsField(labels), "names": names}
    return type("VariantForm", (VariantForm,), own)


class VariantFormSet(CountedRows):
    """All rows of the grid. Two of them cannot have one SKU or the same values."""

    def clean(self) -> None:
        super().clean()
        rows = [
            form
            for form in self.forms
            if form.is_valid()
            and form.cleaned_data
            and not form.cleaned_data.get(DELETION_FIELD_NAME)
        ]
        here = [form.instance.pk for form in rows]
        others = self.instance.products.exclude(pk__in=here) if self.instance.pk else ()
        skus: set[str] = set()
        values = {each.variant.upper() for each in others if each.variant}
        for form in rows:
            sku, variant = form.cleaned_data["sku"].upper(), form.cleaned_data["variant"].upper()
            if sku in skus:
                form.add_error("sku", _("Another row has this SKU, capitals aside."))
            if variant and variant in values:
                form.add_error("variant", _("Another variant has the same values."))
            skus.add(sku)
            values.add(variant)
