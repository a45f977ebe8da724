"""Addresses of orders."""

from django.urls import path

from redemption.orders import views

app_name = "orders"
urlpatterns = [
    path("", views.list_orders, name="list"),
    path("<str:number>/", views.detail, name="detail"),
    path("<str:number>/story/", views.story, name="story"),
    path("<str:number>/cancel/", views.cancel, name="cancel"),
    path("<str:number>/again/", views.again, name="again"),
    path("<str:number>/approve/", views.approve, name="approve"),
    path("<str:number>/reject/", views.reject, name="reject"),
    path("<str:number>/codes/<uuid:item_id>/", views.codes, name="codes"),
]
