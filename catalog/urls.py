"""Addresses of the catalogue."""

from django.urls import path

from catalog import views

app_name = "catalog"
urlpatterns = [
    path("", views.list_products, name="list"),
    path("artwork/<slug:slug>.svg", views.artwork, name="artwork"),
    path("<slug:slug>/", views.show_product, name="product"),
]
