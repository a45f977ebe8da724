"""Addresses of the page of the parts."""

from django.urls import path

from operations.parts import views

app_name = "parts"
urlpatterns = [
    path("", views.portal, name="portal"),
    path("back-office/", views.back_office, name="back_office"),
]
