"""Products."""

from typing import Any, Self

import pgtrigger
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now, Upper
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import TierLevel
from catalog.freshness import products_changed
from catalog.models.addresses import DIGEST_LENGTH, picture_address
from catalog.models.groups import TOUCHED, Category, Family
from loyalty_portal.data.history import tracked
from loyalty_portal.data.ids import uuid7
from loyalty_portal.feed.touches import touching

LONGEST_TERMS = 4_000  # characters
MOST_DELIVERY_DAYS = 365


def _words(text: str) -> str:
    """The SQL for a search vector of `text`, an SQL expression.

    The "simple" dictionary matches word beginnings and keeps short titles such as "It";
    selectors.py searches English stems too. Punctuation is blanked because PostgreSQL reads
    "ABC-123" as a word and a negative number.
    """
    return rf"to_tsvector('simple', regexp_replace({text}, '[!-/:-@\[-`{{-~]', ' ', 'g'))"


# The description is cut so that the vector stays below PostgreSQL's limit of 1 MB.
_PLAIN_DESCRIPTION = "regexp_replace(left(NEW.description, 20000), '<[^>]*>', ' ', 'g')"
_SEARCH_VECTOR = f"""
    NEW.search := setweight({_words("NEW.name")}, 'A')
        || setweight({_words("concat_ws(' ', NEW.brand, NEW.variant, NEW.sku)")}, 'B')
        || setweight({_words(_PLAIN_DESCRIPTION)}, 'D');
    RETURN NEW;
"""


# The columns that the search index holds.
_INDEXED = (
    "sku", "name", "brand", "description", "product_type", "points_cost", "category_id",
    "family_id", "variant", "variant_position", "minimum_tier", "available_from",
    "available_until", "is_active", "stock_status", "popularity",
)  # fmt: skip


class ProductType(models.TextChoices):
    """How the product reaches its recipient: shipped by the desk, or by the Fulfillment API."""

    PHYSICAL = "PHYSICAL", pgettext_lazy("how a product comes", "Shipped")
    VIRTUAL = "VIRTUAL", _("By e-mail")


class StockStatus(models.TextChoices):
    """Stock as the catalogue shows it. `inventory` writes it when stock changes."""

    IN_STOCK = "IN_STOCK", _("In stock")
    LOW = "LOW", _("Low stock")
    OUT = "OUT", _("Out of stock")


class TitleWords(models.Func):
    """Restricts a search vector to the words of name, brand, variant and SKU (weights A and B)."""

    template = """ts_filter(%(expressions)s, '{a,b}'::"char"[])"""
    output_field = SearchVectorField()


class ProductQuerySet(models.QuerySet["Product"]):
    """Query methods for products."""

    def offered(self) -> Self:
        """Products on offer now: active, and within the dates of their offer."""
        return self.filter(
            Q(available_from__isnull=True) | Q(available_from__lte=Now()),
            Q(available_until__isnull=True) | Q(available_until__gt=Now()),
            is_active=True,
        )

    def for_tier(self, tier_level: str) -> Self:
        """Products that a company of this tier may redeem."""
        return self.filter(minimum_tier__in=TierLevel.up_to(tier_level))

    def show_stock(self, status: StockStatus) -> None:
        """Set the stock status of these products, and drop their pages from the cache on commit."""
        if self.exclude(stock_status=status).update(stock_status=status):
            products_changed(self.slugs_of_pages())

    def slugs_of_pages(self) -> set[str]:
        """The slugs of the pages that show these products: their own, and those of their
        families.
        """
        rows = list(self.order_by().values_list("slug", "family_id"))
        families = {family for _slug, family in rows if family is not None}
        slugs = {slug for slug, _family in rows}
        if families:
            others = Product.objects.filter(family__in=families).order_by()
            slugs.update(others.values_list("slug", flat=True))
        return slugs


@tracked(leave_out=["search", "updated_at", "popularity"])
class Product(models.Model):
    """One redeemable SKU, with a cost in whole points."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sku = models.CharField("SKU", max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=255)
    slug = models.SlugField(max_length=280, unique=True)
    brand = models.CharField(_("brand"), max_length=120, blank=True)
    description = models.TextField(
        _("description"), blank=True, help_text=_("HTML. Only simple formatting is shown.")
    )
    validity = models.CharField(
        _("how long it is valid"),
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text=_("Such as “3 years from the day it arrives”."),
    )
    usable_at = models.CharField(
        _("where it can be used"),
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text=_("Such as “In all shops in Germany, and online”."),
    )
    delivery_days = models.PositiveSmallIntegerField(
        _("working days until it arrives"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_DELIVERY_DAYS)],
        help_text=_("At most, from the order on. Only for what is shipped."),
    )
    terms = models.TextField(
        _("terms"),
        blank=True,
        default="",
        db_default="",
        max_length=LONGEST_TERMS,
        help_text=_("Plain text: what the recipient must know, such as how to return it."),
    )
    product_type = models.CharField(_("type"), max_length=20, choices=ProductType.choices)
    points_cost = models.PositiveIntegerField(_("points"))
    image_url = models.CharField(
        _("address of a picture"),
        max_length=500,
        blank=True,
        help_text=_("Shown while no picture is uploaded. It begins with / and is on this host."),
    )
    cover = models.CharField(
        max_length=DIGEST_LENGTH,
        blank=True,
        db_default="",
        editable=False,
        help_text=_("The first uploaded picture; catalog/pictures/services.py writes it."),
    )
    category = models.ForeignKey(Category, models.PROTECT, related_name="products")
    family = models.ForeignKey(
        Family, models.SET_NULL, null=True, blank=True, related_name="products"
    )
    variant = models.CharField(
        _("variant"),
        max_length=120,
        blank=True,
        help_text=_("How it differs from the others of its family."),
    )
    variant_position = models.PositiveIntegerField(
        _("position in the family"),
        default=0,
        db_default=0,
        help_text=_(
            "Variants are shown in this order. Sizes such as S, M and L are ordered by size."
        ),
    )
    source = models.CharField(
        _("source"),
        max_length=300,
        blank=True,
        db_default="",
        help_text=_(
            "The kind of import that the product came from, and its key there. An import from "
            "another source overwrites the product only if this is empty."
        ),
    )
    is_card = models.BooleanField(
        default=True,
        editable=False,
        help_text=_("Whether it stands for its family in the catalogue."),
    )
    minimum_tier = models.CharField(
        _("minimum tier"), max_length=50, choices=TierLevel.choices, default=TierLevel.BRONZE
    )
    available_from = models.DateTimeField(_("available from"), null=True, blank=True)
    available_until = models.DateTimeField(_("available until"), null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    stock_status = models.CharField(
        max_length=10, choices=StockStatus.choices, default=StockStatus.OUT, editable=False
    )
    popularity = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text=_("How many pieces were redeemed lately; written once a day."),
    )
    search = SearchVectorField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProductQuerySet.as_manager()

    class Meta:
        db_table = "product"
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["name", "id"]
        permissions = [
            ("bulk_edit", _("Can edit many products at once")),
            ("import_products", _("Can import products from a file")),
            ("export_products", _("Can export products to a file")),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="product_search_vector",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert
                | pgtrigger.UpdateOf(  # type: ignore[no-untyped-call]
                    "name", "brand", "variant", "sku", "description"
                ),
                func=_SEARCH_VECTOR,
            ),
            *touching(TOUCHED, keys=("id", "family_id"), watched=_INDEXED),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(points_cost__gt=0), name="product_costs_points"),
            models.CheckConstraint(
                condition=Q(product_type__in=ProductType.values), name="product_type_known"
            ),
            models.CheckConstraint(
                condition=Q(minimum_tier__in=TierLevel.values), name="product_tier_known"
            ),
            models.UniqueConstraint(
                Upper("sku"),
                name="product_sku_once",
                violation_error_message=_("There is a product with this SKU, capitals aside."),
            ),
        ]
        indexes = [
            models.Index(fields=["source"], name="product_by_source", condition=~Q(source="")),
            models.Index(
                fields=["stock_status"],
                name="product_short",
                condition=Q(is_active=True, stock_status__in=["LOW", "OUT"]),
            ),
            models.Index(
                fields=["available_until"],
                name="product_offer_ends",
                condition=Q(is_active=True, available_until__isnull=False),
            ),
            # The lists of the back office: all products, and those of a kind.
            models.Index(fields=["name", "id"], name="product_by_name"),
            models.Index(
                fields=["name", "id"], name="product_off_by_name", condition=Q(is_active=False)
            ),
            models.Index(
                fields=["stock_status", "name", "id"],
                name="product_short_by_name",
                condition=Q(stock_status__in=["LOW", "OUT"]),
            ),
            models.Index(fields=["category", "name", "id"], name="product_category_by_name"),
            models.Index(
                "name", "id", name="product_virtual_by_name", condition=Q(product_type="VIRTUAL")
            ),
            models.Index(
                fields=["minimum_tier", "name", "id"],
                name="product_tier_by_name",
                condition=Q(minimum_tier__in=["SILVER", "GOLD", "PLATINUM"]),
            ),
            GinIndex(fields=["search"], name="product_search"),
            GinIndex(
                TitleWords("search"),
                name="product_search_titles",
                condition=Q(is_active=True, is_card=True),
            ),
            models.Index(
                Lower("name"),
                "id",
                name="product_shown_by_name",
                condition=Q(is_active=True, is_card=True),
            ),
            models.Index(
                fields=["points_cost", "id"],
                name="product_shown_by_points",
                condition=Q(is_active=True, is_card=True),
            ),
            models.Index(
                fields=["-created_at", "-id"],
                name="product_shown_by_age",
                condition=Q(is_active=True, is_card=True),
            ),
            models.Index(
                fields=["-popularity", "-id"],
                name="product_shown_by_redeemed",
                condition=Q(is_active=True, is_card=True),
            ),
            models.Index(
                "category",
                Lower("name"),
                "id",
                name="product_shown_in_category",
                condition=Q(is_active=True, is_card=True),
            ),
            models.Index(
                "brand",
                Lower("name"),
                "id",
                name="product_shown_by_brand",
                condition=Q(is_active=True, is_card=True),
            ),
            models.Index(  # for the facet counts, which then read only the index
                fields=["category", "product_type", "brand"],
                include=[
                    "minimum_tier",
                    "stock_status",
                    "points_cost",
                    "available_from",
                    "available_until",
                ],
                name="product_facets",
                condition=Q(is_active=True, is_card=True),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the product. A virtual product is made on demand, so it is always in stock."""
        if self._state.adding and self.is_virtual:
            self.stock_status = StockStatus.IN_STOCK
        super().save(*args, **kwargs)
        slugs = {self.slug}
        if self.family_id:
            others = Product.objects.filter(family=self.family_id).order_by()
            slugs.update(others.values_list("slug", flat=True))
        products_changed(slugs)

    def get_absolute_url(self) -> str:
        return reverse("catalog:product", args=[self.slug])

    def clean(self) -> None:
        """Check in forms what the constraints would refuse, and refuse dates that can never
        apply.
        """
        wrong = {}
        if self.points_cost == 0:
            wrong["points_cost"] = _("A product costs at least 1 point.")
        start, end = self.available_from, self.available_until
        if start and end and start >= end:
            wrong["available_until"] = _("This must be after “available from”.")
        if wrong:
            raise ValidationError(wrong)

    def is_offered_to(self, tier_level: str) -> bool:
        """Whether a company of this tier may redeem the product now, regardless of stock."""
        now = timezone.now()
        return (
            self.is_active
            and (self.available_from is None or self.available_from <= now)
            and (self.available_until is None or self.available_until > now)
            and self.minimum_tier in TierLevel.up_to(tier_level)
        )

    @property
    def is_virtual(self) -> bool:
        return self.product_type == ProductType.VIRTUAL

    @property
    def picture_url(self) -> str:
        """The address of the product's own picture or, without one, of its drawing."""
        return picture_address(
            slug=self.slug,
            cover=self.cover,
            image_url=self.image_url,
            drawn=f"{self.name}{self.brand}{self.variant}",
            category_id=self.category_id,
        )
