"""Home, cart, checkout, orders, approvals, and callbacks in."""

from django.urls import URLPattern, URLResolver, include, path

from redemption import views, webhooks
from redemption.orders.views import list_approvals

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("balance/", views.balance, name="balance"),
    path("cart/", include("redemption.cart.urls")),
    path("checkout/", include("redemption.placing.urls")),
    path("orders/", include("redemption.orders.urls")),
    path("approvals/", include(([path("", list_approvals, name="list")], "approvals"))),
    path("webhooks/fulfillment/", webhooks.fulfillment, name="fulfillment_webhook"),
]
