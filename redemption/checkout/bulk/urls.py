"""The addresses of bulks."""

from django.urls import path

from redemption.checkout.bulk import views

app_name = "bulk"
urlpatterns = [
    path("", views.start, name="start"),
    path("template/<slug:kind>/", views.template, name="template"),
    path("<uuid:bulk_id>/", views.detail, name="detail"),
    path("<uuid:bulk_id>/wrong/<slug:kind>/", views.wrong, name="wrong"),
    path("<uuid:bulk_id>/place/", views.place, name="place"),
    path("<uuid:bulk_id>/go-on/", views.go_on, name="go_on"),
    path("<uuid:bulk_id>/approve/", views.approve, name="approve"),
    path("<uuid:bulk_id>/reject/", views.reject, name="reject"),
]
