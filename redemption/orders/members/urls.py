"""Addresses of the page of one member; the list of all is at accounts/company/people/views.py."""

from django.urls import path

from redemption.orders.members import views

app_name = "members"
urlpatterns = [
    path("<uuid:member_id>/", views.member, name="member"),
    path("<uuid:member_id>/role/", views.give_role, name="role"),
    path("<uuid:member_id>/limit/", views.set_limit, name="limit"),
    path("<uuid:member_id>/off/", views.off, name="off"),
    path("<uuid:member_id>/on/", views.on, name="on"),
]
