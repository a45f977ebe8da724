"""`python -m benchmarks.bare.prepare`: makes the bare app's tables and 1,000 products."""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.bare.settings"

import django
from django.db import connection

django.setup()

from benchmarks.bare import models

TABLES = (
    models.BareProduct,
    models.BareStock,
    models.BareOrder,
    models.BareLine,
    models.BareTransaction,
)

with connection.schema_editor() as editor:
    for table in TABLES:
        editor.create_model(table)
products = models.BareProduct.objects.bulk_create(
    models.BareProduct(name=f"Product {number:04d}", points_cost=100 + number)
    for number in range(1000)
)
models.BareStock.objects.bulk_create(
    models.BareStock(product=product, available=1_000_000) for product in products
)
with connection.cursor() as cursor:
    cursor.execute("ANALYZE")
print(products[0].pk)
