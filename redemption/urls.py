"""Cart, checkout, orders, and callbacks in."""

from django.urls import URLPattern, path

from redemption import webhooks

urlpatterns: list[URLPattern] = [
    path("webhooks/fulfillment/", webhooks.fulfillment, name="fulfillment_webhook"),
]
