"""Addresses of the page of the company."""

from django.urls import path

from accounts.company.rules import views

app_name = "company"
urlpatterns = [
    path("", views.page, name="page"),
    path("points/", views.change_money, name="money"),
    path("place/", views.change_place, name="place"),
    path("letters/", views.change_letters, name="letters"),
]
