"""Addresses of the catalogue."""

from django.urls import include, path, re_path

from catalog import views

app_name = "catalog"
urlpatterns = [
    path("", views.list_products, name="list"),
    path("yours/", include("catalog.yours.urls")),
    path("suggest/words/", views.suggest, name="suggest"),
    path("artwork/<slug:slug>.svg", views.artwork, name="artwork"),
    re_path(r"^pictures/(?P<digest>[0-9a-f]{40})-(?P<side>[0-9]{3,4})\.webp$", views.picture),
    path("<slug:slug>/", views.show_product, name="product"),
]
