"""The app's configuration. It is an app of its own, because its models need migrations."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FeedConfig(AppConfig):
    name = "loyalty_portal.feed"
    label = "feed"
    verbose_name = _("Feed of changes")
