"""The checkout's addresses."""

from django.urls import path

from redemption.checkout import views

urlpatterns = [
    path("", views.checkout, name="checkout"),
    path("recipient/", views.recipient, name="checkout_recipient"),
    path("addresses/<uuid:address_id>/", views.edit_address, name="checkout_address"),
]
