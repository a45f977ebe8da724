"""The forms of a product and of a family."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import TierLevel
from catalog.backoffice.descriptions import cleaned_description
from catalog.backoffice.services import hold_key
from catalog.importing.texts import plain_lines
from catalog.models import Category, Family, Product, ProductType, picture_trouble
from catalog.pictures.images import MOST_BYTES, EncodedPicture, PictureError, encode_picture
from catalog.texts.words import slug_of
from loyalty_portal.admin_site.edits import EditedForm
from loyalty_portal.data.form_fields.choices import RowField
from loyalty_portal.data.one_line import OneLineField, formfield

_SKU_OF_ROW = re.compile(r"products-[0-9]+-sku")
MOST_FILES = 8  # of one form; together they may have 20 MB (loyalty_portal/http/web_worker.py)


class PicturesInput(forms.FileInput):
    """Chooses several files."""

    allow_multiple_selected = True

    def value_from_datadict(self, _data: Any, files: Any, name: str) -> Any:
        return files.getlist(name) if hasattr(files, "getlist") else files.get(name)


class PicturesField(forms.FileField):
    """Several pictures. Its value is a list of EncodedPicture; each wrong file has its error."""

    widget = PicturesInput(attrs={"accept": "image/jpeg,image/png,image/webp", "class": "upload"})

    def clean(self, data: Any, _initial: Any = None) -> Any:
        files: list[UploadedFile[Any]] = data or []
        if len(files) > MOST_FILES:
            raise ValidationError(_("Choose at most %(most)s files.") % {"most": MOST_FILES})
        encoded: list[EncodedPicture] = []
        wrong: list[str] = []
        for file in files:
            try:
                encoded.append(encode_picture(file.read(MOST_BYTES + 1)))
            except PictureError as error:
                wrong.append(f"{file.name}: {error}")
        if wrong:
            again = ngettext("Choose the file again.", "Choose the files again.", len(files))
            raise ValidationError([*wrong, again])
        return encoded


class SkuForm(EditedForm):
    """A form with a product's SKU."""

    def clean_sku(self) -> str:
        """Let one person at a time use a SKU. Whether it is free is checked after this."""
        sku: str = self.cleaned_data["sku"]
        if "sku" in self.changed_data:
            hold_key("sku", sku)
        return sku


class PictureForm(EditedForm):
    """A row of pictures. Its boxes have no label of their own, so each is given one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.setdefault("aria-label", field.label)


class ProductForm(SkuForm):
    """All of a product. `told` is a sentence about what was taken out of its description."""

    new_pictures = PicturesField(
        label=gettext_lazy("Add pictures"),
        required=False,
        help_text=gettext_lazy(
            "JPEG, PNG or WebP, several at once. Landscape fits best: 4 to 3, from 1280 pixels on."
        ),
    )
    copied_from = forms.UUIDField(required=False, widget=forms.HiddenInput)
    told = ""

    def clean_description(self) -> str:
        text: str = self.cleaned_data["description"]
        if "description" not in self.changed_data:
            return text
        try:
            text, self.told = cleaned_description(text)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        return text

    def clean_terms(self) -> str:
        """As an import would read them, so that an export of them changes nothing."""
        return plain_lines(self.cleaned_data["terms"])

    def clean_image_url(self) -> str:
        address: str = self.cleaned_data["image_url"]
        # An address of an old import stays until somebody changes it; it is not shown.
        if "image_url" in self.changed_data and (trouble := picture_trouble(address)):
            raise ValidationError(trouble)
        return address


class FamilyForm(EditedForm):
    """A family. The fields after `options` are what the variants of a new family share."""

    category = RowField(
        Category.objects.all(),
        required=False,
        label=gettext_lazy("Category"),
        widget=UnfoldAdminSelectWidget,
    )
    product_type = forms.ChoiceField(
        choices=ProductType.choices,
        required=False,
        label=gettext_lazy("Type"),
        widget=UnfoldAdminSelectWidget,
    )
    brand = OneLineField(
        max_length=120,
        required=False,
        label=gettext_lazy("Brand"),
        widget=UnfoldAdminTextInputWidget,
    )
    minimum_tier = forms.ChoiceField(
        choices=TierLevel.choices,
        required=False,
        label=gettext_lazy("Minimum tier"),
        widget=UnfoldAdminSelectWidget,
    )
    description = forms.CharField(
        required=False,
        label=gettext_lazy("Description"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
    )
    told = ""

    class Meta:
        model = Family
        fields = ("name", "code", "options")
        formfield_callback = formfield

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "code" in self.fields:
            self.fields["code"].required = False

    def clean_code(self) -> str:
        """Make the code of a new family from its name, unless one was given."""
        code: str = self.cleaned_data["code"]
        if not code:
            wanted = slug_of(self.cleaned_data.get("name", ""))[:110] or "family"
            taken = set(
                Family.objects.filter(code__startswith=wanted).values_list("code", flat=True)
            )
            names = (wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 3)))
            code = next(name for name in names if name not in taken)
        hold_key("family", code)
        return code

    def clean_description(self) -> str:
        try:
            text, self.told = cleaned_description(self.cleaned_data["description"])
        except ValueError as error:
            raise ValidationError(str(error)) from error
        return text

    def clean(self) -> dict[str, Any]:
        """A first variant needs a category; later ones take over that of the first."""
        cleaned = super().clean() or self.cleaned_data
        typed = any(_SKU_OF_ROW.fullmatch(name) and value for name, value in self.data.items())
        first = self.instance._state.adding or not self.instance.products.exists()  # noqa: SLF001 - public by Django's documentation
        if typed and first and not cleaned.get("category"):
            self.add_error("category", _("Choose the category of the variants."))
        return cleaned

    @property
    def pattern(self) -> Product:
        """A product, not stored, with what the variants of a new family share."""
        given = self.cleaned_data
        return Product(
            product_type=given["product_type"] or ProductType.PHYSICAL,
            category=given["category"],
            brand=given["brand"],
            description=given["description"],
            minimum_tier=given["minimum_tier"] or TierLevel.BRONZE,
        )
