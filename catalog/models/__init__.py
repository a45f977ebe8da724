"""Products, categories, families, pictures and saved lists. The portal's pages only read them."""

from catalog.models.addresses import picture_address, picture_trouble, shelf_address, upload_address
from catalog.models.edits import ProductEdit
from catalog.models.imports import ImportRow
from catalog.models.looks import ProductView
from catalog.models.pictures import ProductPicture
from catalog.models.products import (
    TOUCHED,
    Category,
    Family,
    Product,
    ProductQuerySet,
    ProductType,
    StockStatus,
    TitleWords,
)
from catalog.models.saved import SavedView
from catalog.models.synonyms import Synonym

__all__ = [
    "TOUCHED",
    "Category",
    "Family",
    "ImportRow",
    "Product",
    "ProductEdit",
    "ProductPicture",
    "ProductQuerySet",
    "ProductType",
    "ProductView",
    "SavedView",
    "StockStatus",
    "Synonym",
    "TitleWords",
    "picture_address",
    "picture_trouble",
    "shelf_address",
    "upload_address",
]
