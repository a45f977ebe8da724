"""Addresses of seats, profile, language, the end of seeing as a seat; allauth pages turned off."""

from django.urls import path

from accounts import views
from accounts.see_as.views import end_see_as

urlpatterns = [
    path("seat/", views.switch_seat, name="seat_switch"),
    path("profile/", views.profile, name="profile"),
    path("language/", views.choose_language, name="language"),
    path("see-as/end/", end_see_as, name="see_as_end"),
    # allauth would let people add another e-mail address and sign in by it, unknown to staff.
    path("accounts/email/", views.not_here),
    path("accounts/confirm-email/<str:key>/", views.not_here),
]
