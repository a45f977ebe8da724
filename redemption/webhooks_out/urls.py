"""Addresses of the pages about webhook endpoints."""

from django.urls import path

from redemption.webhooks_out import views

app_name = "webhooks"
urlpatterns = [
    path("", views.list_endpoints, name="list"),
    path("new/", views.new_endpoint, name="new"),
    path("<uuid:endpoint_id>/", views.endpoint, name="endpoint"),
    path("<uuid:endpoint_id>/change/", views.change, name="change"),
    path("<uuid:endpoint_id>/rotate/", views.rotate, name="rotate"),
    path("<uuid:endpoint_id>/ping/", views.ping, name="ping"),
    path("<uuid:endpoint_id>/replay/", views.replay, name="replay"),
    path("<uuid:endpoint_id>/remove/", views.remove, name="remove"),
]
