"""The addresses of a company's address book."""

from django.urls import path

from redemption.checkout.book import importing, views

app_name = "addresses"
urlpatterns = [
    path("", views.list_addresses, name="list"),
    path("new/", views.add, name="add"),
    path("import/", importing.import_addresses, name="import"),
    path("duplicates/", views.duplicates, name="duplicates"),
    path("merge/", views.merge, name="merge"),
    path("file/<slug:kind>/", views.export, name="file"),
    path("<uuid:address_id>/", views.edit, name="edit"),
    path("<uuid:address_id>/remove/", views.remove, name="remove"),
]
