"""Stock: the quantities of each product, the reservations, and every change."""

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from catalog.models import Product
from loyalty_portal.data.history import append_only, tracked
from loyalty_portal.data.ids import uuid7


@tracked()
class Inventory(models.Model):
    """The numbers of one product. A virtual product without this row is made on demand.

    A shipped product gets its row with it: a trigger of the database inserts it, whoever inserts
    the product (migrations/0004_stock_row_with_product.py).

    Where `is_tracked` is off, the stock is not counted: any number can be redeemed, the available
    number is always 0, and pieces are received at the moment they are reserved.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    product = models.OneToOneField(Product, models.PROTECT, related_name="inventory")
    quantity_available = models.IntegerField(
        _("available"), default=0, help_text=_("Pieces that can be reserved now.")
    )
    quantity_reserved = models.IntegerField(
        _("reserved"), default=0, help_text=_("Pieces that are reserved for orders.")
    )
    low_stock_at = models.PositiveIntegerField(
        _("low-stock threshold"),
        default=5,
        help_text=_("The product is shown as low in stock with so many pieces or fewer."),
    )
    is_tracked = models.BooleanField(
        _("counted"),
        default=True,
        db_default=True,
        help_text=_("If it is not counted, it can always be redeemed, in any quantity."),
    )
    last_updated = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "inventory"
        verbose_name = _("stock of a product")
        verbose_name_plural = _("stock")
        permissions = [("move_stock", "Can receive, count and adjust stock")]
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity_available__gte=0), name="available_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(quantity_reserved__gte=0), name="reserved_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(is_tracked=True) | Q(quantity_available=0),
                name="uncounted_has_none_available",
            ),
        ]

    def __str__(self) -> str:
        return str(self.product)


class MovementKind(models.TextChoices):
    """The kinds of movements. available + reserved = received - consumed ± adjusted."""

    RECEIVED = "RECEIVED", _("Received")
    ADJUSTED = "ADJUSTED", _("Adjusted")
    RESERVED = "RESERVED", _("Reserved")
    RELEASED = "RELEASED", _("Released")
    CONSUMED = "CONSUMED", _("Sent out")


class StockMovement(models.Model):
    """One change of one product's numbers; never edited."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Needs no index: movement_by_product is used.
    product = models.ForeignKey(Product, models.PROTECT, related_name="movements", db_index=False)
    kind = models.CharField(max_length=10, choices=MovementKind.choices)
    available_change = models.IntegerField(_("available"))
    reserved_change = models.IntegerField(_("reserved"))
    reference = models.UUIDField(
        null=True, blank=True, help_text=_("The order line of this movement.")
    )
    reason = models.CharField(_("reason"), max_length=255, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("stock movement")
        verbose_name_plural = _("stock movements")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["product", "-created_at"], name="movement_by_product"),
            BrinIndex(
                fields=["created_at"],
                pages_per_range=16,
                autosummarize=True,
                name="movement_times",
            ),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.available_change:+d} {self.reserved_change:+d}"


class Reservation(models.Model):
    """The pieces reserved for one order line, so that they are released or consumed once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    product = models.ForeignKey(Product, models.PROTECT, related_name="reservations")
    reference = models.UUIDField(unique=True, help_text=_("The order line of this reservation."))
    quantity = models.PositiveIntegerField()
    released = models.PositiveIntegerField(default=0)
    consumed = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("reservation")
        verbose_name_plural = _("reservations")
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gte=F("released") + F("consumed")),
                name="reservation_spent_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["product"],
                name="reservation_open",
                condition=Q(quantity__gt=F("released") + F("consumed")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.open} of {self.quantity}"

    @property
    def open(self) -> int:
        """Pieces that are still reserved."""
        return self.quantity - self.released - self.consumed
