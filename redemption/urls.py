"""Addresses of home, cart, checkout, orders, approvals, endpoints and callbacks."""

from django.urls import URLPattern, URLResolver, include, path

from redemption.orders.asking import views as asking
from redemption.orders.home import views
from redemption.saga import webhooks

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("balance/", views.balance, name="balance"),
    path("cart/", include("redemption.checkout.cart.urls")),
    path("bulk/", include("redemption.checkout.bulk.urls")),
    path("checkout/", include("redemption.checkout.urls")),
    path("orders/", include("redemption.orders.receipts.urls")),
    path("orders/", include("redemption.orders.urls")),
    path("points/", include("redemption.points.statement.urls")),
    path("approvals/", include("redemption.orders.approvals.urls")),
    path("people/", include("redemption.orders.members.urls")),
    path("company/addresses/", include("redemption.checkout.book.urls")),
    path("company/webhooks/", include("redemption.webhooks_out.urls")),
    path("for-you/done/", asking.done, name="for_you_done"),
    path("for-you/<str:token>/", asking.for_you, name="for_you"),
    path("webhooks/fulfillment/", webhooks.fulfillment, name="fulfillment_webhook"),
]
