"""Addresses of seats, profile, language, invitations; allauth pages that are turned off."""

from django.urls import path

from accounts import views
from accounts.invitations import views as invitations
from accounts.see_as.views import end_see_as

urlpatterns = [
    path("seat/", views.switch_seat, name="seat_switch"),
    path("profile/", views.profile, name="profile"),
    path("language/", views.choose_language, name="language"),
    path("see-as/end/", end_see_as, name="see_as_end"),
    path("invitations/unknown/", invitations.unknown, name="invitation_unknown"),
    path("invitations/of/<uuid:invitation_id>/", invitations.page, name="invitation_page"),
    path("invitations/<str:token>/", invitations.by_link, name="invitation"),
    # allauth would let people add another e-mail address and sign in by it, unknown to staff.
    path("accounts/email/", views.not_here),
    path("accounts/confirm-email/<str:key>/", views.not_here),
]
