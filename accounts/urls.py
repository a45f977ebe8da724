"""Addresses of seats, people, company, profile, second factor, invitations; allauth pages that are
turned off.
"""

from django.urls import include, path

from accounts import views
from accounts.access import session_pages
from accounts.access.factors import pages
from accounts.invitations import views as invitations
from accounts.seats.see_as.views import end_see_as

urlpatterns = [
    path("seat/", views.switch_seat, name="seat_switch"),
    path("people/", include("accounts.company.people.urls")),
    path("company/", include("accounts.company.rules.urls")),
    path("company/keys/", include("accounts.company.urls")),
    path("profile/", views.profile, name="profile"),
    path("profile/letters/", views.profile_letters, name="profile_letters"),
    path("profile/texts/", views.profile_texts, name="profile_texts"),
    path("language/", views.choose_language, name="language"),
    path("see-as/end/", end_see_as, name="see_as_end"),
    path("invitations/unknown/", invitations.unknown, name="invitation_unknown"),
    path("invitations/of/<uuid:invitation_id>/", invitations.page, name="invitation_page"),
    path("invitations/<str:token>/", invitations.by_link, name="invitation"),
    path("accounts/sessions/", session_pages.session_list, name="sessions"),
    path("accounts/sessions/<uuid:session_id>/end/", session_pages.end, name="session_end"),
    path("accounts/sessions/end-others/", session_pages.end_the_others, name="sessions_end_others"),
    path("accounts/2fa/", pages.FactorsPage.as_view(), name="mfa_index"),
    path("accounts/2fa/totp/activate/", pages.AddApp.as_view()),
    path("accounts/2fa/totp/deactivate/", pages.RemoveApp.as_view()),
    path("accounts/2fa/webauthn/add/", pages.AddPasskey.as_view()),
    path("accounts/2fa/webauthn/keys/<int:pk>/remove/", pages.RemovePasskey.as_view()),
    path("accounts/2fa/recovery-codes/generate/", pages.MakeCodes.as_view()),
    # All of these stand on the one page above; codes are shown once, and not as a file.
    path("accounts/2fa/webauthn/", views.not_here),
    path("accounts/2fa/webauthn/keys/<int:pk>/edit/", views.not_here),
    path("accounts/2fa/recovery-codes/download/", views.not_here),
    # allauth would let people add another e-mail address and sign in by it, unknown to staff.
    path("accounts/email/", views.not_here),
    path("accounts/confirm-email/<str:key>/", views.not_here),
]
