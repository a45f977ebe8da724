"""Products, categories, families, pictures and saved lists. The portal's pages only read them."""

from catalog.models.addresses import picture_address, picture_trouble, shelf_address, upload_address
from catalog.models.edits import ProductEdit
from catalog.models.groups import TOUCHED, Category, Family
from catalog.models.imports import ImportRow
from catalog.models.kept import (
    LONGEST_LIST_NAME,
    Favourite,
    ListedProduct,
    ProductList,
    StockWish,
)
from catalog.models.looks import ProductView
from catalog.models.pictures import ProductPicture
from catalog.models.products import (
    LONGEST_TERMS,
    MOST_DELIVERY_DAYS,
    Product,
    ProductQuerySet,
    ProductType,
    StockStatus,
    TitleWords,
)
from catalog.models.saved import SavedView
from catalog.models.synonyms import Synonym

__all__ = [
    "LONGEST_LIST_NAME",
    "LONGEST_TERMS",
    "MOST_DELIVERY_DAYS",
    "TOUCHED",
    "Category",
    "Family",
    "Favourite",
    "ImportRow",
    "ListedProduct",
    "Product",
    "ProductEdit",
    "ProductList",
    "ProductPicture",
    "ProductQuerySet",
    "ProductType",
    "ProductView",
    "SavedView",
    "StockStatus",
    "StockWish",
    "Synonym",
    "TitleWords",
    "picture_address",
    "picture_trouble",
    "shelf_address",
    "upload_address",
]
