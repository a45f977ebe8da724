"""Invitations to a seat, and letters to people about seats and invitations."""

import hashlib
from datetime import timedelta
from typing import Self

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now, Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.people import AccountManager, Company, Role, User
from loyalty_portal.data.encrypted_field import EncryptedTextField
from loyalty_portal.data.history import tracked
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.leases import LeasedQuerySet, LeasedWork, due_index

INVITED_FOR = timedelta(days=7)


def invitation_expiry() -> object:
    """When an invitation that is made now expires."""
    return timezone.now() + INVITED_FOR


class InvitationEnd(models.TextChoices):
    """How an invitation ended. One that has expired has not ended: it can be sent again."""

    ACCEPTED = "accepted", _("Accepted")
    REVOKED = "revoked", _("Taken back")
    REPLACED = "replaced", _("Sent again")


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Finds invitations, and ends them."""

    def open(self) -> Self:
        """Neither accepted nor revoked nor replaced. They may have expired."""
        return self.filter(end="")

    def of_token(self, token: str) -> "Invitation | None":
        """The invitation whose link holds this token, whatever became of it."""
        rows = self.select_related("company", "by", "by_seat__user", "by_seat__company")
        return rows.filter(token_hash=hashed(token)).first()

    def finish(self, how: InvitationEnd, person: User | None) -> bool:
        """End those that are open. Returns whether any was, so that only one of two succeeds."""
        return bool(self.open().update(end=how, ended_at=Now(), ended_by=person))


def hashed(token: str) -> str:
    """The hash under which a link's token is stored. The token has 256 random bits, so it needs no
    salt.
    """
    return hashlib.sha256(token.encode()).hexdigest()


@tracked(leave_out=["token_hash"])
class Invitation(models.Model):
    """That an e-mail address may take a seat. Its link can be used once.

    `by` invited; with a `by_seat` they did so for the company, without one as staff.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    company = models.ForeignKey(Company, models.PROTECT, related_name="invitations")
    email = models.EmailField(_("e-mail"), max_length=255)
    role = models.CharField(_("role"), max_length=50, choices=Role.choices)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("invited by"))
    by_seat = models.ForeignKey(
        AccountManager, models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(_("invited"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), default=invitation_expiry)
    end = models.CharField(
        _("outcome"), max_length=10, choices=InvitationEnd.choices, blank=True, default=""
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    personal_columns = ("email",)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(OpClass(Upper("email"), "text_pattern_ops"), name="invitation_email")
        ]
        constraints = [
            models.UniqueConstraint(
                "company", Lower("email"), condition=Q(end=""), name="one_open_invitation"
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="invitation_role_known"),
            models.CheckConstraint(
                condition=Q(end="", ended_at=None)
                | Q(end__in=InvitationEnd.values, ended_at__isnull=False),
                name="invitation_ends_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} · {self.company}"

    @property
    def is_open(self) -> bool:
        return not self.end

    @property
    def has_expired(self) -> bool:
        return self.is_open and self.expires_at <= timezone.now()


class PersonLetterKind(models.TextChoices):
    """The kinds of letters to people, each with its own templates."""

    INVITATION = "invitation", _("Invitation")
    RIGHTS = "rights", _("Who may do what")
    RULES = "rules", _("Rules of the company")
    KEY_NEWS = "api_key", _("API key")
    ENDPOINT_NEWS = "endpoint", _("Webhook endpoint")
    ACCESS = "access", _("How you sign in")
    STAND_IN = "stand_in", _("Stand-in of an approver")
    BULK = "bulk", _("File of orders")
    IN_STOCK = "in_stock", _("In stock again")


class PersonLetter(LeasedWork):
    """A letter to one person about a seat, an invitation or how they sign in; the last has no
    company. The row is both intent and record.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    company = models.ForeignKey(Company, models.PROTECT, related_name="+", null=True, blank=True)
    invitation = models.ForeignKey(
        Invitation, models.PROTECT, null=True, blank=True, related_name="letters"
    )
    kind = models.CharField(_("letter"), max_length=20, choices=PersonLetterKind.choices)
    to = models.EmailField(_("to"), max_length=255)
    facts = models.JSONField(default=dict)
    secret = EncryptedTextField(
        null=True, editable=False, help_text=_("Of the link, until the letter was sent.")
    )
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    problem = models.CharField(_("problem"), max_length=255, blank=True)

    objects = LeasedQuerySet["PersonLetter"].as_manager()

    class Meta:
        verbose_name = _("letter to a person")
        verbose_name_plural = _("letters to people")
        ordering = ["-created_at", "-id"]
        indexes = [
            due_index("person_letter_due"),
            models.Index(OpClass(Upper("to"), "text_pattern_ops"), name="person_letter_to"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.to}"
