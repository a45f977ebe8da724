"""What products are grouped by: categories and families."""

from typing import Any

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.utils.translation import gettext_lazy as _

from catalog.freshness import products_changed
from loyalty_portal.data.history import tracked
from loyalty_portal.data.ids import uuid7
from loyalty_portal.feed.touches import touching

TOUCHED = "products"  # what the feed calls changes that the search index reads


@tracked(had_rows=True)
class Category(models.Model):
    """A category. `motif` names the drawing for its products that have no picture."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=120, unique=True)
    slug = models.SlugField(max_length=140, unique=True)
    motif = models.CharField(_("drawing"), max_length=40, blank=True)
    position = models.PositiveIntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ["position", "name"]
        triggers = touching(TOUCHED, keys=("id",), watched=("name",))

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        products_changed()


@tracked(had_rows=True)
class Family(models.Model):
    """Products that differ by size, colour or value share a family and show as one card."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=255)
    code = models.CharField(
        _("code"),
        max_length=120,
        unique=True,
        help_text=_("Imports find the family by this code, so do not change it."),
    )
    options = models.CharField(
        _("options"),
        max_length=255,
        blank=True,
        db_default="",
        help_text=_("The properties in which its variants differ, such as “Size / Colour”."),
    )

    class Meta:
        verbose_name = _("family")
        verbose_name_plural = _("families")
        ordering = ["name"]
        indexes = [
            models.Index(fields=["name", "id"], name="family_by_name"),
            GinIndex(SearchVector("name", config="simple"), name="family_words"),
        ]
        triggers = touching(TOUCHED, keys=("id",), watched=("name",))

    def __str__(self) -> str:
        return self.name
