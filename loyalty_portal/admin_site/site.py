"""The admin's settings: the site class, the theme, the brand and the menu."""

from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from loyalty_portal.admin_site.menu import menu
from loyalty_portal.admin_site.names import name_fields

_static = lazy(static, str)

# The portal's greys (static/css/portal/tokens.css) as the theme's grey scale.
_PAPER = {
    "50": "oklch(98.4% .006 85)",
    "100": "oklch(95.8% .009 85)",
    "200": "oklch(89.5% .011 82)",
    "300": "oklch(81% .011 80)",
    "400": "oklch(69% .013 78)",
    "500": "oklch(51% .015 72)",
    "600": "oklch(42% .015 70)",
    "700": "oklch(34% .012 72)",
    "800": "oklch(28.5% .01 75)",
    "900": "oklch(20% .008 75)",
    "950": "oklch(15% .007 75)",
}


class PortalAdminConfig(AdminConfig):
    """Makes PortalAdminSite the default site. Its place here keeps settings free of room
    imports.
    """

    default_site = "loyalty_portal.admin_site.portal.PortalAdminSite"

    def ready(self) -> None:
        super().ready()
        name_fields()


def unfold_settings(brand_name: str) -> dict[str, Any]:
    """The settings of the theme Unfold: brand, colours and menu."""
    return {
        "SITE_TITLE": brand_name,
        "SITE_HEADER": brand_name,
        "SITE_SUBHEADER": _("Back office"),
        "SITE_SYMBOL": "redeem",
        "SITE_FAVICONS": [
            {"rel": "icon", "type": "image/svg+xml", "href": _static("img/favicon.svg")}
        ],
        "SHOW_VIEW_ON_SITE": False,
        "SHOW_HISTORY": True,
        "SHOW_BACK_BUTTON": True,
        "BORDER_RADIUS": "6px",
        "COLORS": {"base": _PAPER, "primary": "loyalty_portal.admin_site.portal.accent_scale"},
        "STYLES": [_static("css/admin.css")],
        "SCRIPTS": [_static("js/admin.js")],
        # The portal's password page, which asks for the old password and limits tries.
        "ACCOUNT": {
            "navigation": [
                {"title": _("Your profile"), "link": reverse_lazy("profile")},
                {"title": _("Change password"), "link": reverse_lazy("account_change_password")},
            ]
        },
        "DASHBOARD_CALLBACK": "loyalty_portal.admin_site.home.dashboard",
        "SIDEBAR": {"show_search": False, "command_search": False, "navigation": menu()},
    }
