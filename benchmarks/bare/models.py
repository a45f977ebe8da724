"""The smallest models for a list and an order."""

from django.db import models


class BareProduct(models.Model):
    name = models.CharField(max_length=255)
    points_cost = models.PositiveIntegerField()
    is_active = models.BooleanField(default=True)

    class Meta:
        app_label = "bare"
        indexes = [models.Index(fields=["is_active", "name", "id"], name="bare_by_name")]


class BareStock(models.Model):
    product = models.OneToOneField(BareProduct, models.CASCADE)
    available = models.IntegerField()

    class Meta:
        app_label = "bare"


class BareOrder(models.Model):
    total = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "bare"


class BareLine(models.Model):
    order = models.ForeignKey(BareOrder, models.CASCADE)
    product = models.ForeignKey(BareProduct, models.CASCADE)
    quantity = models.PositiveIntegerField()

    class Meta:
        app_label = "bare"


class BareTransaction(models.Model):
    order = models.ForeignKey(BareOrder, models.CASCADE)
    points = models.PositiveIntegerField()
    status = models.CharField(max_length=20)

    class Meta:
        app_label = "bare"
