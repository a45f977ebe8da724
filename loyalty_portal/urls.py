"""All addresses; each room has its own urls module."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("redemption.urls")),
    path("catalog/", include("catalog.urls")),
    path("", include("accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("", include("loyalty_portal.service_urls")),
]
handler500 = "loyalty_portal.data.trouble.server_error"
