"""What holds of one product's stock row: its lock, its status, and what may be done with it."""

from django.utils.translation import gettext as _

from catalog.models import Product, StockStatus
from inventory.models import Inventory, LowStockRule
from loyalty_portal.data.texts.numbers import grouped

MOST = 1_000_000_000  # pieces; more than a shelf holds, and less than the columns' limit


class StockError(Exception):
    """An action on the stock is not possible; the message is a sentence for the person who
    asked.
    """


def status_at(available: int, low_stock_at: int) -> StockStatus:
    """The status of a counted product with so many available pieces."""
    if available <= 0:
        return StockStatus.OUT
    return StockStatus.LOW if available <= low_stock_at else StockStatus.IN_STOCK


def status_of(shelf: Inventory) -> StockStatus:
    """The status of a product, counted or not."""
    if not shelf.is_tracked:
        return StockStatus.IN_STOCK
    return status_at(shelf.quantity_available, shelf.low_stock_at)


def held_shelf(product: Product) -> Inventory:
    """The stock of a product, locked. A product made on demand gets it now, with no pieces."""
    Inventory.objects.get_or_create(product=product)
    stock = Inventory.objects.select_for_update().get(product=product)
    follow_rule(stock, LowStockRule.objects.mark_for(product.category_id))
    return stock


def follow_rule(stock: Inventory, mark: int) -> None:
    """Give a locked row without a threshold of its own the one of its rule, if it has another."""
    if stock.has_own_mark or stock.low_stock_at == mark:
        return
    stock.low_stock_at = mark
    Inventory.objects.filter(pk=stock.pk).update(low_stock_at=mark)
    Product.objects.filter(pk=stock.product_id).show_stock(status_of(stock))


def must_count(stock: Inventory) -> None:
    """Raise StockError if the stock is not counted."""
    if not stock.is_tracked:
        raise StockError(
            _("The stock of this product is not counted, so its number cannot change.")
        )


def must_fit(stock: Inventory, change: int) -> None:
    """Raise StockError if the available number cannot change by so much."""
    if abs(change) > MOST or stock.quantity_available + change > MOST:
        raise StockError(_("That is more than any shelf holds."))
    if stock.quantity_available + change < 0:
        raise StockError(
            _("There are not that many pieces to take away: %(available)s are available.")
            % {"available": grouped(stock.quantity_available)}
        )


def must_hold(stock: Inventory, counted: int) -> None:
    """Raise StockError if a count is lower than what is held for orders."""
    if counted < stock.quantity_reserved:
        raise StockError(
            _(
                "%(held)s pieces are held for orders; a count cannot be lower. Find out which "
                "orders cannot be supplied first."
            )
            % {"held": grouped(stock.quantity_reserved)}
        )
