"""The addresses of the desk, below /admin/desk/."""

from django.contrib import admin
from django.urls import path

from fulfillment.desk import numbering, views

_page = admin.site.admin_view

urlpatterns = [
    path("", _page(views.desk_page), name="fulfillment_desk"),
    path("next/", _page(views.begin), name="fulfillment_desk_next"),
    path("scan/", _page(views.scan_view), name="fulfillment_desk_scan"),
    path("batch/", _page(views.batch), name="fulfillment_desk_batch"),
    path("numbers/", _page(numbering.numbers), name="fulfillment_desk_numbers"),
    path("numbers/ship/", _page(numbering.ship), name="fulfillment_desk_numbered"),
    path("paper/<slug:kind>/", _page(views.paper), name="fulfillment_desk_paper"),
    path("<uuid:object_id>/", _page(views.parcel_page), name="fulfillment_desk_parcel"),
    path("<uuid:object_id>/do/<slug:verb>/", _page(views.do), name="fulfillment_desk_do"),
]
