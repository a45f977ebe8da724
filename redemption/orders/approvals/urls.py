"""Addresses of approvals."""

from django.urls import path

from redemption.orders.approvals import views

app_name = "approvals"
urlpatterns = [
    path("", views.waiting, name="list"),
    path("decide/", views.decide, name="decide"),
    path("decided/", views.decided, name="decided"),
    path("away/", views.away, name="away"),
    path("away/<uuid:stand_in_id>/end/", views.end, name="end"),
]
