"""Addresses of orders."""

from django.urls import path

from redemption.orders import views
from redemption.orders.asking import views as asking

app_name = "orders"
urlpatterns = [
    path("", views.list_orders, name="list"),
    path("<slug:number>/", views.detail, name="detail"),
    path("<slug:number>/story/", views.story, name="story"),
    path("<slug:number>/cancel/", views.cancel, name="cancel"),
    path("<slug:number>/lines/<uuid:item_id>/cancel/", views.cancel_line, name="cancel_line"),
    path("<slug:number>/lines/<uuid:item_id>/link/", asking.send_anew, name="send_anew"),
    path("<slug:number>/lines/<uuid:item_id>/recipient/", asking.give, name="give"),
    path("<slug:number>/again/", views.again, name="again"),
    path("<slug:number>/approve/", views.approve, name="approve"),
    path("<slug:number>/reject/", views.reject, name="reject"),
    path("<slug:number>/ask/", views.ask, name="ask"),
    path("<slug:number>/lines/<uuid:item_id>/resend/", views.resend, name="resend"),
    path("<slug:number>/codes/<uuid:item_id>/", views.codes, name="codes"),
]
