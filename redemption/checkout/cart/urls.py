"""The cart's addresses."""

from django.urls import path

from redemption.checkout.cart import views

app_name = "cart"
urlpatterns = [
    path("", views.detail, name="detail"),
    path("add/", views.add, name="add"),
    path("<uuid:line_id>/change/", views.change, name="change"),
    path("<uuid:line_id>/remove/", views.remove, name="remove"),
]
