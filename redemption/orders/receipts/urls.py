"""Addresses of receipts, and of the list of orders to be taken along."""

from django.urls import path

from redemption.orders.receipts import views as order_views

app_name = "receipts"
urlpatterns = [
    path("sums/", order_views.sums, name="sums"),
    path("file/<slug:form>/", order_views.orders_file, name="file"),
    path("<slug:number>/receipt/", order_views.receipt, name="receipt"),
    path("<slug:number>/receipt/pdf/", order_views.receipt_file, name="pdf"),
]
