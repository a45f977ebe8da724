"""Seats. Signing in is allauth's."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("seat/", views.switch_seat, name="seat_switch"),
    # allauth would let people sign in by another e-mail address, past the records of staff.
    path("accounts/email/", views.not_here),
    path("accounts/confirm-email/<str:key>/", views.not_here),
]
