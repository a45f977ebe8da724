"""The addresses under `/api/auth/`. What is not here is not there: allauth has views with which
people would sign up, or add an e-mail address that staff do not know.
"""

from allauth.headless.account.views import RequestPasswordResetView
from django.urls import path

from accounts.access import app_views as views
from accounts.access.app_views import mounted

urlpatterns = [
    path("login", mounted(views.SignIn, "POST")),
    path("2fa/authenticate", mounted(views.SecondStep, "POST")),
    path("tokens/refresh", mounted(views.Refresh, "POST", rate=views.REFRESHES)),
    path("session", mounted(views.OwnSession, "GET", "DELETE")),
    path("sessions", mounted(views.Sessions, "GET")),
    path("sessions/<uuid:session_id>", mounted(views.EndSession, "DELETE")),
    path("reauthenticate", mounted(views.Confirm, "POST")),
    path("2fa/reauthenticate", mounted(views.ConfirmByCode, "POST")),
    path("password/request", mounted(RequestPasswordResetView, "POST")),
    path("password/reset", mounted(views.NewPassword, "POST")),
]
