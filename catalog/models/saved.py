"""Saved views: the filters of the admin's list of products under a name."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.ids import uuid7


class SavedView(models.Model):
    """A person's filters of the list of products. `query` is the list's query string."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=60)
    query = models.CharField(max_length=2000, blank=True)
    is_shared = models.BooleanField(_("all staff see it"), default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_view_once_by_name")
        ]

    def __str__(self) -> str:
        return self.name
