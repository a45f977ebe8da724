"""What is asked of a report: its days, how it is grouped, and what it is narrowed to."""

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.db.models import Q

from accounts.models import AccountManager, Company
from catalog.models import Category, Product
from loyalty_portal.data.tables.spans import Span

SHOWN = 50  # rows of a table on a page; an export has all


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a report. Empty filters do not narrow it.

    `by` is "time" or what the rows are: "company", "tier", "seat", "category", "product", "person".
    `most`: the most rows of a table whose rows are not parts of the span; None for all.
    """

    span: Span
    grain: str
    by: str = "time"
    company: Company | None = None
    tier: str = ""
    seat: AccountManager | None = None
    category: Category | None = None
    product: Product | None = None
    most: int | None = SHOWN
    # The parameters of the address that asks this, without those that are empty.
    asked: dict[str, str] = field(default_factory=dict)

    @property
    def about_lines(self) -> bool:
        """Whether lines are counted instead of orders: products and categories are asked for."""
        return bool(self.category or self.product) or self.by in {"category", "product"}

    def before(self) -> "Question":
        """The same question about the period before."""
        return replace(self, span=self.span.before())

    def in_full(self) -> "Question":
        return replace(self, most=None)


def seat_of(key: UUID) -> AccountManager | None:
    return AccountManager.objects.select_related("user", "company").filter(pk=key).first()


def company_of(text: str) -> Company | None:
    """The company with this account or name. Raises LookupError when several have the name."""
    found = list(Company.objects.filter(Q(loyalty_account_id=text) | Q(name__iexact=text))[:2])
    if len(found) > 1:
        exact = [each for each in found if each.loyalty_account_id == text]
        if len(exact) != 1:
            raise LookupError(text)
        return exact[0]
    return found[0] if found else None


def product_of(sku: str) -> Product | None:
    rows: Any = Product.objects.filter(sku__iexact=sku)
    return rows.only("id", "sku", "name").first()  # type: ignore[no-any-return]
