"""API keys: what a company's own systems call the portal with."""

import hashlib
from datetime import timedelta
from typing import Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.people import AccountManager, User
from loyalty_portal.data.history import tracked
from loyalty_portal.data.ids import uuid7
from loyalty_portal.feed.triggers import followed

SHOWN_FIRST, SHOWN_LAST = 13, 4  # characters of a key that are shown
USED_EVERY = timedelta(seconds=60)  # the last use is written at most so often


class Scope(models.TextChoices):
    """What a key may do, besides what its seat's role allows: a call needs both."""

    CATALOG_READ = "catalog:read", _("Read the catalogue")
    BALANCE_READ = "balance:read", _("Read the balance")
    ORDERS_READ = "orders:read", _("Read orders")
    ORDERS_WRITE = "orders:write", _("Place and cancel orders")
    CODES_REVEAL = "codes:reveal", _("See codes")
    TRANSACTIONS_READ = "transactions:read", _("Read points transactions")
    MEMBERS_READ = "members:read", _("Read members")
    MEMBERS_WRITE = "members:write", _("Change members")
    WEBHOOKS_WRITE = "webhooks:write", _("Change webhook endpoints")


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Finds keys."""

    def live(self) -> Self:
        """Neither revoked nor expired. Their seat, its person or its company may be off."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())

    def shown_as(self, first: str, last: str) -> Self:
        """The keys that are shown with these characters."""
        return self.filter(shown_first=first, shown_last=last)

    def used(self, key: UUID, address: str) -> None:
        """Write down that the key is used now, unless that was done within USED_EVERY."""
        now = timezone.now()
        lately = Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)
        self.filter(lately, pk=key).update(last_used_at=now, last_used_address=address)


def hashed_key(secret: str) -> str:
    """The hash under which a key is stored. A key has 178 random bits, so it needs neither salt nor
    a slow hash.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


@tracked(leave_out=["secret_hash", "last_used_at", "last_used_address", "told_days"])
class ApiKey(models.Model):
    """A key of a company's own system. It acts through the seat of a person who is a machine, and a
    key that replaces another has the same seat.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    seat = models.ForeignKey(
        AccountManager, models.PROTECT, related_name="keys", verbose_name=_("account manager")
    )
    name = models.CharField(_("name"), max_length=100)
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    shown_first = models.CharField(_("first characters"), max_length=SHOWN_FIRST, editable=False)
    shown_last = models.CharField(_("last characters"), max_length=SHOWN_LAST, editable=False)
    scopes = ArrayField(
        models.CharField(max_length=30, choices=Scope.choices), verbose_name=_("scopes")
    )
    allowed_networks = ArrayField(
        models.CharField(max_length=43),
        verbose_name=_("allowed networks"),
        default=list,
        blank=True,
        help_text=_("From where it may be used, such as 192.0.2.0/24. Empty: from everywhere."),
    )
    notify_email = models.EmailField(
        _("e-mail for letters"),
        max_length=255,
        blank=True,
        help_text=_("Gets the letters about its orders. Empty: an owner of the company does."),
    )
    replaces = models.OneToOneField(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="successor",
        verbose_name=_("rotated from"),
    )
    created_by = models.ForeignKey(
        User, models.PROTECT, related_name="+", verbose_name=_("made by")
    )
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))
    told_days = models.PositiveSmallIntegerField(
        null=True, editable=False, help_text=_("Of how many days left the last letter told.")
    )
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    revoked_by = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("revoked by"),
    )
    revoked_why = models.CharField(_("reason"), max_length=255, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    last_used_address = models.CharField(_("network address"), max_length=45, blank=True)

    personal_columns = ("notify_email",)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        permissions = [("revoke_apikey", "Can revoke API keys of companies")]
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(scopes=[]) & Q(scopes__contained_by=Scope.values),
                name="apikey_scopes_known",
            ),
            models.CheckConstraint(
                condition=Q(revoked_at=None, revoked_why="")
                | Q(revoked_at__isnull=False) & ~Q(revoked_why=""),
                name="apikey_revoked_for_a_reason",
            ),
            models.CheckConstraint(condition=~Q(replaces=F("id")), name="apikey_not_its_own"),
        ]
        triggers = [
            followed(
                company="(SELECT company_id FROM account_manager WHERE id = NEW.seat_id)",
                until="LEAST(NEW.revoked_at, NEW.expires_at)",
                by=["revoked_at", "expires_at"],
            )
        ]
        indexes = [
            models.Index(fields=["shown_first", "shown_last"], name="apikey_shown"),
            GinIndex(SearchVector("name", config="simple"), name="apikey_words"),
            models.Index(
                fields=["expires_at"], name="apikey_expiring", condition=Q(revoked_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.shown})"

    @property
    def shown(self) -> str:
        """What is shown of the key. The key itself is shown once, to whoever makes it."""
        return f"{self.shown_first}…{self.shown_last}"

    @property
    def is_use_due(self) -> bool:
        """Whether its use is to be written down again."""
        last = self.last_used_at
        return last is None or timezone.now() - last >= USED_EVERY

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()
