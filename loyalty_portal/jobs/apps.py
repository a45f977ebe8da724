"""The app's configuration and its name in the admin.

It is an app of its own, because a model needs migrations beside it, and the ground has none.
"""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class JobsConfig(AppConfig):
    name = "loyalty_portal.jobs"
    label = "jobs"
    verbose_name = _("Background work")
