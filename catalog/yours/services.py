"""Keeps favourites and lists, and writes the letters that something is in stock again."""

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AccountManager, Company, PersonLetterKind
from accounts.seats.letters import write_news
from catalog.models import Favourite, ListedProduct, Product, ProductList, StockStatus, StockWish

MOST_FAVOURITES = 500  # of a seat
MOST_LISTS = 50  # of a company
MOST_ENTRIES = 500  # of a list
MOST_WISHES = 100  # of a seat, that are open
TOLD_AT_ONCE = 500  # wishes that are answered in one run; the next run goes on


class KeepingError(Exception):
    """Something cannot be kept. The message is a sentence for the person."""


def keep(*, seat: AccountManager, product: Product, on: bool) -> None:
    """Make a product a favourite of the seat, or let it go. The second time changes nothing.

    Raises KeepingError.
    """
    own = Favourite.objects.filter(seat=seat)
    if not on:
        own.filter(product=product).delete()
    elif own.exclude(product=product).count() >= MOST_FAVOURITES:
        raise KeepingError(_("You have 500 favourites. Let one go first."))
    else:
        Favourite.objects.get_or_create(seat=seat, product=product)


def make_list(*, seat: AccountManager, name: str) -> ProductList:
    """Make a list of the seat's company. Raises KeepingError."""
    if ProductList.objects.filter(company=seat.company).count() >= MOST_LISTS:
        raise KeepingError(_("Your company has 50 lists. Delete one first."))
    made = ProductList(company=seat.company, name=name, made_by=seat)
    return _named(made)


def rename_list(*, one: ProductList, name: str) -> ProductList:
    """Give a list another name. Raises KeepingError."""
    one.name = name
    return _named(one)


def _named(one: ProductList) -> ProductList:
    try:
        with transaction.atomic():
            one.save()
    except IntegrityError:
        raise KeepingError(_("Your company has a list of this name.")) from None
    return one


def put_on_list(*, one: ProductList, product: Product, seat: AccountManager) -> None:
    """Put a product on a list. The second time changes nothing. Raises KeepingError."""
    if one.entries.exclude(product=product).count() >= MOST_ENTRIES:
        raise KeepingError(_("There are 500 products on this list. Take one off first."))
    one.entries.get_or_create(product=product, defaults={"added_by": seat})


def take_off_list(*, one: ProductList, product: Product) -> None:
    """Take a product off a list."""
    ListedProduct.objects.filter(on_list=one, product=product).delete()


def wish(*, seat: AccountManager, product: Product, on: bool) -> None:
    """Have a letter written when the product is in stock again, or not any more.

    Raises KeepingError.
    """
    open_ones = StockWish.objects.filter(seat=seat, told_at=None)
    if not on:
        open_ones.filter(product=product).delete()
    elif product.stock_status != StockStatus.OUT:
        raise KeepingError(_("It is in stock: you can redeem it now."))
    elif open_ones.exclude(product=product).count() >= MOST_WISHES:
        raise KeepingError(_("You wait for 100 products. Let one go first."))
    else:
        StockWish.objects.get_or_create(seat=seat, product=product, told_at=None)


def tell_back() -> int:
    """Write a letter for each open wish whose product is in stock again. Returns how many.

    A wish waits on while its company may not see the product, and ends without a letter when its
    seat cannot act any more.
    """
    there = Product.objects.offered().exclude(stock_status=StockStatus.OUT).order_by()
    due = StockWish.objects.filter(told_at=None, product__in=there).order_by("id")
    told = 0
    for row in due.select_related("seat__company", "seat__user", "product")[:TOLD_AT_ONCE]:
        seat = row.seat
        if not AccountManager.objects.usable().filter(pk=seat.pk).exists():
            row.delete()
        elif row.product.is_offered_to(seat.company.tier_level):
            told += _tell(row, seat.company)
    return told


@transaction.atomic
def _tell(row: StockWish, company: Company) -> bool:
    """Write the letter of one wish, unless another process has done so meanwhile."""
    still_open = StockWish.objects.filter(pk=row.pk, told_at=None)
    if not still_open.update(told_at=timezone.now()):
        return False
    product = row.product
    write_news(
        PersonLetterKind.IN_STOCK,
        company_id=company.pk,
        to=[row.seat.user.email],
        facts={"product": product.name, "path": product.get_absolute_url()},
    )
    return True
