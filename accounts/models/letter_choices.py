"""Which letters about orders a person wants, and who gets copies of those of a company.

Letters that are not named here are always sent: they ask for something, or warn.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models.people import Company, User
from loyalty_portal.data.ids import uuid7


class LetterTopic(models.TextChoices):
    """What letters about orders are about, for those who choose."""

    PROGRESS = "progress", _("Your orders go on: confirmed, sent, delivered")
    POINTS_BACK = "points_back", _("Points of your orders were given back")
    APPROVALS = "approvals", _("Orders that wait for your approval")
    COPIES = "copies", _("Copies of letters about orders of your colleagues")


# A company may have these copied; the others are about one person.
COPIED = (LetterTopic.PROGRESS, LetterTopic.POINTS_BACK)


class CopyTo(models.TextChoices):
    """Who gets copies, besides whoever ordered."""

    OWNERS = "owners", _("all owners")
    APPROVERS = "approvers", _("all who approve")
    MAILBOX = "mailbox", _("one more address")


class LetterOff(models.Model):
    """That a person has switched the letters of a topic off."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="letters_off")
    topic = models.CharField(max_length=20, choices=LetterTopic.choices)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint("user", "topic", name="letter_off_once")]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.topic}"


class TextsTo(models.Model):
    """Where a person gets text messages about orders, and about what. Without a row they get none,
    and where their company wants none neither.
    """

    user = models.OneToOneField(
        User, models.CASCADE, primary_key=True, related_name="texts_to", editable=False
    )
    number = models.CharField(
        max_length=16, help_text=_("With the code of its country: + and 8 to 15 digits.")
    )
    topics = ArrayField(models.CharField(max_length=20, choices=LetterTopic.choices))

    personal_columns = ("number",)

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=models.Q(number__regex=r"^\+[1-9][0-9]{7,14}$"), name="texts_to_a_number"
            )
        ]

    def __str__(self) -> str:
        return str(self.user_id)


class LetterCopy(models.Model):
    """That letters of a topic about orders of a company are copied to some of its people, or to an
    address that its owners named.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    company = models.ForeignKey(Company, models.CASCADE, related_name="letter_copies")
    topic = models.CharField(max_length=20, choices=LetterTopic.choices)
    to = models.CharField(max_length=10, choices=CopyTo.choices)
    email = models.EmailField(max_length=255, blank=True, default="")

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint("company", "topic", "to", name="letter_copy_once"),
            models.CheckConstraint(
                condition=models.Q(to=CopyTo.MAILBOX) ^ models.Q(email=""),
                name="letter_copy_mailbox_has_an_address",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.company_id}: {self.topic} → {self.to}"
