"""Addresses of the people of a company. What one of them did is at redemption/orders/members."""

from django.urls import path

from accounts.company.people import views

app_name = "people"
urlpatterns = [
    path("", views.people, name="list"),
    path("invite/", views.invite_somebody, name="invite"),
    path("invitations/<uuid:invitation_id>/again/", views.invite_again, name="invite_again"),
    path("invitations/<uuid:invitation_id>/take-back/", views.take_back, name="take_back"),
]
