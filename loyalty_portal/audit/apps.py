"""The app's configuration and its name in the admin."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    name = "loyalty_portal.audit"
    label = "audit"
    verbose_name = _("Audit")
