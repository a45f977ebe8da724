"""Addresses of the pages of owners."""

from django.urls import path

from accounts.company import views

app_name = "keys"
urlpatterns = [
    path("", views.list_keys, name="list"),
    path("new/", views.new_key, name="new"),
    path("<uuid:key_id>/", views.key, name="key"),
    path("<uuid:key_id>/rotate/", views.rotate, name="rotate"),
    path("<uuid:key_id>/revoke/", views.revoke, name="revoke"),
]
