"""The cart's addresses."""

from django.urls import path

from redemption.checkout.cart import people, views

app_name = "cart"
urlpatterns = [
    path("", views.detail, name="detail"),
    path("add/", views.add, name="add"),
    path("<uuid:product_id>/change/", views.change, name="change"),
    path("<uuid:product_id>/remove/", views.remove, name="remove"),
    path("<uuid:product_id>/people/", people.who_gets_it, name="people"),
]
