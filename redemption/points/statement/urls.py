"""Addresses of what a company's accountant takes."""

from django.urls import path

from redemption.points.statement import views

app_name = "points"
urlpatterns = [
    path("", views.statement, name="statement"),
    path("theirs/", views.theirs, name="theirs"),
    path("file/<slug:form>/", views.statement_file, name="file"),
]
