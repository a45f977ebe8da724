"""Uploaded pictures of products, and the names of their files."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from catalog.models.addresses import DIGEST_LENGTH, SIDES, upload_address
from catalog.models.products import Product
from loyalty_portal.data.history import tracked
from loyalty_portal.data.ids import uuid7


@tracked()
class ProductPicture(models.Model):
    """One uploaded picture of a product. `catalog/pictures/services.py` writes it with its files.

    `digest` names the files. Products that are copies of each other share them.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    product = models.ForeignKey(Product, models.CASCADE, related_name="pictures")
    digest = models.CharField(max_length=DIGEST_LENGTH, editable=False)
    width = models.PositiveIntegerField(editable=False, help_text=_("Pixels of the largest file."))
    height = models.PositiveIntegerField(editable=False)
    alt = models.CharField(
        _("what it shows"),
        max_length=255,
        blank=True,
        help_text=_("Read aloud to people who do not see it."),
    )
    position = models.PositiveIntegerField(pgettext_lazy("place in a list", "order"), default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")
        ordering = ["position", "created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["product", "digest"],
                name="picture_of_product_once",
                violation_error_message=_("The product has this picture already."),
            )
        ]

    def __str__(self) -> str:
        return self.alt or str(_("Picture"))

    def address(self, side: int) -> str:
        """The address of this picture in one of SIDES."""
        return upload_address(self.digest, side)

    @property
    def addresses(self) -> str:
        """All sizes with their widths, as the attribute `srcset` of an image lists them."""
        longer = max(self.width, self.height)
        sizes = {round(self.width * min(1, side / longer)): side for side in reversed(SIDES)}
        return ", ".join(f"{self.address(side)} {width}w" for width, side in sizes.items())
