"""The trail of what people did besides changing rows, and the chain over all that is history."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models.functions import Now, Upper
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.history import append_only


class TrailKind(models.TextChoices):
    """What happened. A room that records something new adds its kind here."""

    SIGN_IN = "sign_in", _("Signed in")
    SIGN_IN_FAILED = "sign_in_failed", _("Sign-in failed")
    PASSWORD_RESET_ASKED = "password_reset_asked", _("Asked for a new password")
    PASSWORD_CHANGED = "password_changed", _("Password changed")
    SESSION_ENDED = "session_ended", _("Session ended")
    SECOND_FACTOR = "second_factor", _("Second step to sign in")
    CODE_REVEALED = "code_revealed", _("Code seen")
    EXPORTED = "exported", _("Exported")
    SEE_AS = "see_as", _("Seen as another person")
    ORDERED_FOR = "ordered_for", _("Ordered for a company")
    ACCESS_CHANGED = "access_changed", _("Access of a person changed")
    SEAT = "seat", _("Seat of a company")
    INVITATION = "invitation", _("Invitation to a seat")
    LIMIT = "limit", _("Limit of points")
    STAND_IN = "stand_in", _("Stand-in of an approver")
    COMPANY_RULES = "company_rules", _("Rules of a company")
    KEY_CHANGED = "api_key", _("API key")
    COMPANY_OPENED = "company_opened", _("Company opened")
    DECISION = "decision", _("Decision by two people")
    TAKEN_OVER = "taken_over", _("Work taken over")
    JOB = "job", _("Background work started")
    COMMAND = "command", _("Command run")


class TrailEntry(models.Model):
    """Who did what, when and from where. `services.record` writes it; it is never changed."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(_("when"), db_default=Now(), editable=False)
    kind = models.CharField(_("what"), max_length=40, choices=TrailKind.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("who"),
        help_text=_("Empty: the portal itself, or somebody who is not signed in."),
    )
    # What it is about, as a model's label and a key: the trail knows no room's models.
    model = models.CharField(_("kind of object"), max_length=80, blank=True)
    key = models.CharField(_("key of the object"), max_length=40, blank=True)
    what = models.CharField(_("about"), max_length=255, blank=True)
    facts = models.JSONField(
        _("details"), default=dict, help_text=_("Never a secret, and nothing personal.")
    )
    place = models.CharField(_("where"), max_length=200, blank=True)
    address = models.CharField(_("network address"), max_length=45, blank=True)

    personal_columns = ("address",)

    class Meta:
        verbose_name = _("entry of the trail")
        verbose_name_plural = _("trail")
        ordering = ["-id"]
        triggers = append_only()
        permissions = [
            ("view_personal_data", "Can see personal data in the history and the trail"),
        ]
        indexes = [
            models.Index(fields=["model", "key", "-id"], name="trail_about"),
            models.Index(fields=["kind", "-id"], name="trail_kind"),
            models.Index(fields=["at"], name="trail_at"),
            models.Index(
                OpClass(Upper("what"), "text_pattern_ops"),
                name="trail_what",
                condition=~models.Q(what=""),
            ),
            models.Index(fields=["key", "-id"], name="trail_key", condition=~models.Q(key="")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.what}".strip()


class ChainLink(models.Model):
    """One link of the chain: the digests of some rows of one table, and the hash of the link
    before.

    `numbers` are the rows' numbers in ascending order, `digests` theirs, 32 bytes each. The link
    speaks for all rows of the table after the table's link before, up to `upto`. `columns` are
    those that the digests cover, so that a column that is added later changes no digest.
    """

    number = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    label = models.CharField(max_length=80)
    columns = ArrayField(models.CharField(max_length=80))
    numbers = ArrayField(models.BigIntegerField())
    upto = models.BigIntegerField()
    digests = models.BinaryField()
    previous = models.BinaryField()
    hash = models.BinaryField()

    class Meta:
        verbose_name = _("link of the chain")
        verbose_name_plural = _("chain")
        ordering = ["number"]
        triggers = append_only()
        indexes = [models.Index(fields=["label", "-number"], name="chain_label")]

    def __str__(self) -> str:
        return f"{self.number}:{bytes(self.hash).hex()}"


class RowSalt(models.Model):
    """The salt of a row's personal columns. Erasing them leaves their salted digests in `kept`."""

    label = models.CharField(max_length=80)
    number = models.BigIntegerField()
    salt = models.BinaryField(null=True)
    kept = models.JSONField(null=True)

    class Meta:
        verbose_name = _("salt of a row")
        verbose_name_plural = _("salts of rows")
        constraints = [models.UniqueConstraint("label", "number", name="one_salt_a_row")]

    def __str__(self) -> str:
        return f"{self.label} {self.number}"


class ChainLook(models.Model):
    """The publisher's last look, in one row: how far each table went, and which transactions were
    still writing. What they wrote may have lower numbers, so they are waited for.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    bounds = models.JSONField(default=dict)
    writers = models.JSONField(default=list)

    class Meta:
        verbose_name = _("look of the publisher")
        verbose_name_plural = _("looks of the publisher")
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_look")]

    def __str__(self) -> str:
        return f"{self.bounds}"
