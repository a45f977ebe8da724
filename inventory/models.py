"""Stock: the quantities of each product, the reservations, and every change."""

from uuid import UUID

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex, OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from catalog.models import Category, Product
from loyalty_portal.data.history import append_only, tracked
from loyalty_portal.data.ids import readable, uuid7
from loyalty_portal.data.leases import LeasedQuerySet, LeasedWork, due_index


class LowStockRuleQuerySet(models.QuerySet["LowStockRule"]):
    """Query methods for the rules."""

    def mark_for(self, category_id: UUID) -> int:
        """The number of pieces up to which products of a category are low."""
        own = self.filter(category=category_id).values_list("low_stock_at", flat=True).first()
        return default_low_mark() if own is None else own


def default_low_mark() -> int:
    """The number for products of categories without a rule."""
    return int(settings.LOW_STOCK_AT)


@tracked()
class LowStockRule(models.Model):
    """When the products of a category are low: up to so many pieces, or days before they run out.

    A product may have a number of pieces of its own. Without a number the programme's default holds
    (settings.LOW_STOCK_AT; for the days, selectors.DAYS_AHEAD).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    category = models.OneToOneField(
        Category, models.CASCADE, related_name="low_stock_rule", verbose_name=_("category")
    )
    low_stock_at = models.PositiveIntegerField(
        _("low at"),
        null=True,
        blank=True,
        help_text=_("Products are low with so many pieces or fewer. Empty: the default holds."),
    )
    days_ahead = models.PositiveSmallIntegerField(
        _("days ahead"),
        null=True,
        blank=True,
        help_text=_(
            "The letter about low stock names products that run out within so many days, as they "
            "are redeemed now. Empty: 14."
        ),
    )

    objects = LowStockRuleQuerySet.as_manager()

    class Meta:
        verbose_name = _("low-stock rule")
        verbose_name_plural = _("low-stock rules")
        ordering = ["category__name"]

    def __str__(self) -> str:
        return str(self.category)


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
    has_own_mark = models.BooleanField(
        _("has its own threshold"),
        default=False,
        db_default=False,
        help_text=_("If not, the threshold is that of its category, or the programme's."),
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

    @property
    def on_shelf(self) -> int:
        """The pieces on the shelf: those that can be reserved, and those held for orders."""
        return self.quantity_available + self.quantity_reserved


class MovementKind(models.TextChoices):
    """The kinds of movements. available + reserved = received - consumed ± adjusted."""

    RECEIVED = "RECEIVED", _("Received")
    ADJUSTED = "ADJUSTED", _("Adjusted")
    RESERVED = "RESERVED", _("Reserved")
    RELEASED = "RELEASED", _("Released")
    CONSUMED = "CONSUMED", _("Sent out")


class DocumentKind(models.TextChoices):
    """What a stock document records."""

    RECEIPT = "RECEIPT", _("Receipt")
    COUNT = "COUNT", _("Count")
    ADJUSTMENT = "ADJUSTMENT", _("Adjustment")


def document_number() -> str:
    """A random number such as `S-7KQ4M-2XDTP`, which can be read aloud."""
    return readable("S")


class StockDocument(models.Model):
    """A list of products that was received, counted or adjusted as one; never edited.

    Its movements, one for each product, were written in one transaction with it. Those of a long
    list are written by a job, so the document has only a part of them while that works.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    number = models.CharField(_("number"), max_length=20, unique=True, default=document_number)
    kind = models.CharField(_("kind"), max_length=10, choices=DocumentKind.choices)
    token = models.UUIDField(
        unique=True,
        editable=False,
        help_text=_("Identifies the form, so that one form writes one document."),
    )
    reference = models.CharField(
        _("reference"),
        max_length=100,
        blank=True,
        help_text=_("The number of a delivery note, or of a counting list."),
    )
    reason = models.CharField(_("reason"), max_length=255, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("stock document")
        verbose_name_plural = _("stock documents")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=DocumentKind.values), name="stock_document_kind_known"
            )
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="stock_document_newest"),
            models.Index(
                OpClass(Upper("reference"), name="text_pattern_ops"),
                name="stock_document_reference",
                condition=~Q(reference=""),
            ),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return self.number


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
    # Needs no index: movement_by_person is used.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    # Needs no index: movement_by_document is used.
    document = models.ForeignKey(
        StockDocument,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="movements",
        db_index=False,
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
            models.Index(fields=["-created_at", "-id"], name="movement_newest"),
            models.Index(
                fields=["by", "-created_at"],
                name="movement_by_person",
                condition=Q(by__isnull=False),
            ),
            models.Index(
                fields=["kind", "-created_at"],
                name="movement_by_hand",
                condition=Q(kind__in=["RECEIVED", "ADJUSTED"]),
            ),
            models.Index(
                fields=["document"],
                name="movement_by_document",
                condition=Q(document__isnull=False),
            ),
            models.Index(
                OpClass(Upper("reason"), name="text_pattern_ops"),
                name="movement_by_reason",
                condition=~Q(reason=""),
            ),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.available_change:+d} {self.reserved_change:+d}"


class MovementSum(models.Model):
    """The movements of a product before `SummedUntil.moment`, added up. Made from the movements,
    and may be made anew at any time.
    """

    product = models.OneToOneField(Product, models.CASCADE, primary_key=True, related_name="+")
    received = models.BigIntegerField()
    adjusted = models.BigIntegerField()
    consumed = models.BigIntegerField()
    moved = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.product_id}: {self.moved}"


class SummedUntil(models.Model):
    """How far the movements are added up; there is one row. Whoever adds up holds its lock.
    `read_all_at`: when all of them were read the last time.
    """

    id = models.BigIntegerField(primary_key=True, default=1, editable=False)
    moment = models.DateTimeField()
    read_all_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.moment:%Y-%m-%d %H:%M}"


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


class StockDigest(LeasedWork):
    """What one person was told about low stock in the morning of a day of the programme.

    With `facts` it is a letter, and the row is both intent and record; without, nothing was new,
    or nothing is low. `fingerprint` says what is listed and why, "" for nothing; the list of the
    next morning is compared with it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Needs no index: stock_digest_once_a_day is used.
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    day = models.DateField()
    fingerprint = models.CharField(max_length=64, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=255, blank=True)

    objects = LeasedQuerySet["StockDigest"].as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["person", "day"], name="stock_digest_once_a_day")
        ]
        indexes = [
            due_index("stock_digest_due"),
            models.Index(fields=["day"], name="stock_digest_by_day"),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} {self.day}"
