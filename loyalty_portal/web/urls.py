"""All addresses; each room has its own urls module. Those for probes and the brand are here."""

from django.contrib import admin
from django.urls import include, path

from loyalty_portal.configuration import brand
from loyalty_portal.web import health

urlpatterns = [
    path("", include("redemption.urls")),
    path("catalog/", include("catalog.urls")),
    path("", include("accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("api/auth/", include("accounts.access.app_urls")),
    path("api/", include("loyalty_portal.api.v1")),
    path("admin/", admin.site.urls),
    path("ui/", include("operations.parts.urls")),
    path("brand.css", brand.stylesheet, name="brand_css"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
handler403 = "loyalty_portal.admin_site.refusals.refused"
handler500 = "loyalty_portal.data.trouble.server_error"
