"""Names that mean the same in the catalogue's search. Staff keep them in the back office."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from catalog.freshness import held_values_changed
from loyalty_portal.data.history import tracked
from loyalty_portal.data.ids import uuid7


@tracked(had_rows=True)
class Synonym(models.Model):
    """Names that find the same products, with commas between them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    names = models.CharField(
        _("names"),
        max_length=300,
        unique=True,
        help_text=_("With commas between them: “mobile, smartphone, cell phone”."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("words that mean the same")
        verbose_name_plural = _("words that mean the same")
        ordering = ["names"]

    def __str__(self) -> str:
        return self.names

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        held_values_changed()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        gone = super().delete(*args, **kwargs)
        held_values_changed()
        return gone

    def clean(self) -> None:
        """Two names at least, because one alone means nothing."""
        if len([name for name in self.names.split(",") if name.strip()]) < 2:
            raise ValidationError({"names": _("Name two at least, with a comma between them.")})
