"""The admin portal: one site, themed with the programme's brand."""

from typing import Any

from django.contrib.admin.apps import AdminConfig


class PortalAdminConfig(AdminConfig):
    """Named here so that settings can swap the site without importing a room."""

    default_site = "unfold.sites.UnfoldAdminSite"


def unfold_settings(brand_name: str) -> dict[str, Any]:
    """The theme's settings: brand, colours, and a menu by job."""
    return {"SITE_TITLE": brand_name, "SITE_HEADER": brand_name, "SHOW_VIEW_ON_SITE": False}
