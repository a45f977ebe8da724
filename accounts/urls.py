"""Addresses of seats and languages, and the allauth pages that are turned off."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("seat/", views.switch_seat, name="seat_switch"),
    path("language/", views.choose_language, name="language"),
    # allauth would let people add another e-mail address and sign in by it, unknown to staff.
    path("accounts/email/", views.not_here),
    path("accounts/confirm-email/<str:key>/", views.not_here),
]
