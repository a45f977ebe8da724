"""The feed: what changed, in an order that a reader can follow without missing anything.

A row of `Outbox` is written in the transaction of the change, so it exists if and only if the
change does. The publisher (services.py) makes `FeedItem` rows of those that are committed.
"""

from typing import Any, Self

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import HashIndex
from django.db import models
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _


class Follower(models.Model):
    """Something that reads a company's changes until a moment, such as an API key. Changes of
    companies without one are not noted.
    """

    key = models.UUIDField(primary_key=True)
    company = models.UUIDField()
    until = models.DateTimeField(null=True, help_text=_("Empty: for good."))

    class Meta:
        verbose_name = _("follower of the feed")
        verbose_name_plural = _("followers of the feed")
        indexes = [HashIndex(fields=["company"], name="feed_follower_company")]

    def __str__(self) -> str:
        return f"{self.key} of {self.company}"


class Outbox(models.Model):
    """A change that has no place in the feed yet. `source` names who can tell what `key` is."""

    id = models.BigAutoField(primary_key=True)
    source = models.CharField(max_length=40)
    key = models.UUIDField()
    company = models.UUIDField()
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("change without a place in the feed")
        verbose_name_plural = _("changes without a place in the feed")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.source} {self.key}"


_PLACE = Coalesce("company_sequence", "sequence", output_field=models.BigIntegerField())


class Numbering(models.Model):
    """The last sequence that was given out to a company."""

    company = models.UUIDField(primary_key=True)
    last = models.BigIntegerField()

    class Meta:
        verbose_name = _("numbering of a company's changes")
        verbose_name_plural = _("numberings of companies' changes")

    def __str__(self) -> str:
        return f"{self.last} of {self.company}"


class FeedItemQuerySet(models.QuerySet["FeedItem"]):
    """Finds changes."""

    def told_after(self, sequence: int) -> Self:
        """Those whose `FeedItem.told_sequence` is higher. It is their `place` then."""
        return self.annotate(place=_PLACE).filter(place__gt=sequence)


class FeedItem(models.Model):
    """One change of the feed. Sequences grow in the order in which rows become visible, so whoever
    has read up to one has missed none before it.

    `sequence` is of all companies together, so it is told to none of them: its gaps would say how
    much happens at others. `company_sequence` has no gaps. A trigger gives it out, so that each
    version that publishes does; changes from before there was one have none.
    """

    sequence = models.BigAutoField(primary_key=True)
    company_sequence = models.BigIntegerField(null=True, editable=False)
    company = models.UUIDField()
    type = models.CharField(max_length=60)
    occurred_at = models.DateTimeField()
    published_at = models.DateTimeField(db_default=Now(), editable=False)
    data = models.JSONField(help_text=_("Ids, a status and an address; nothing to keep secret."))

    objects = FeedItemQuerySet.as_manager()

    class Meta:
        db_table = "feed_item"
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        ordering = ["sequence"]
        indexes = [
            models.Index(fields=["company", "sequence"], name="feed_item_of_company"),
            models.Index("company", _PLACE, name="feed_item_by_place"),
            models.Index(fields=["published_at"], name="feed_item_by_age"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="numbered_for_its_company",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                    INSERT INTO feed_numbering (company, last) VALUES (NEW.company, 1)
                    ON CONFLICT (company) DO UPDATE SET last = feed_numbering.last + 1
                    RETURNING last INTO NEW.company_sequence;
                    RETURN NEW;
                """,
            )
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.type}"

    @property
    def told_sequence(self) -> int:
        """The sequence that its company reads."""
        return self.company_sequence or self.sequence


class TransactionId(models.Field[str, str]):
    """PostgreSQL's number of a transaction, which never begins anew. Only SQL reads it."""

    def db_type(self, connection: Any) -> str:  # noqa: ARG002 - Django's signature
        return "xid8"


class Touch(models.Model):
    """Keys of rows that a statement changed, for readers that keep a copy (touches.py)."""

    id = models.BigAutoField(primary_key=True)
    xid = TransactionId(db_default=models.Func(function="pg_current_xact_id"), editable=False)
    source = models.CharField(max_length=40)
    keys = ArrayField(models.UUIDField())
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("touched rows")
        verbose_name_plural = _("touched rows")
        ordering = ["id"]
        indexes = [
            models.Index(fields=["source", "xid"], name="feed_touch_by_transaction"),
            models.Index(fields=["at"], name="feed_touch_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.pk}"
