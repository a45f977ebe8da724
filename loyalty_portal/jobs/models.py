"""Background work for staff: a job, and the files that it was given or has made."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.actor import Person
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.leases import LeasedQuerySet, LeasedWork, due_index
from loyalty_portal.data.lifecycle import IllegalTransitionError
from loyalty_portal.jobs.states import JOB, JobStatus


class Job(LeasedWork):
    """Work that takes longer than a request may.

    It is worked in slices. Each slice is one transaction that also records the progress, so a
    killed process loses the slice that it was at and nothing else. `parameters` hold what was asked
    for, without secrets; `state` is where the next slice begins; `result` is what is told about the
    work.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(_("kind"), max_length=60)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="jobs",
        verbose_name=_("who"),
        help_text=_("Nobody: the portal started it by itself."),
    )
    parameters = models.JSONField(default=dict)
    status = models.CharField(
        _("state"), max_length=10, choices=JobStatus.choices, default=JobStatus.QUEUED
    )
    done = models.PositiveBigIntegerField(_("done"), default=0)
    total = models.PositiveBigIntegerField(
        _("of"), null=True, help_text=_("Rows to work in all; empty while nobody knows.")
    )
    state = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    failures = models.PositiveSmallIntegerField(
        default=0, help_text=_("Consecutive tries of one slice that failed.")
    )
    problem = models.TextField(_("problem"), blank=True)
    created_at = models.DateTimeField(_("asked for"), db_default=Now())
    started_at = models.DateTimeField(_("started"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    stop_asked_at = models.DateTimeField(null=True)
    stopped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    undo_of = models.ForeignKey("self", models.PROTECT, null=True, related_name="undone_by")

    objects = LeasedQuerySet["Job"].as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("background work")
        ordering = ["-created_at", "-id"]
        indexes = [
            due_index("job_due"),
            models.Index(fields=["-created_at", "-id"], name="job_by_age"),
            models.Index(fields=["by", "-created_at"], name="job_of_person"),
            models.Index(fields=["kind", "-created_at"], name="job_of_kind"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=JobStatus.values), name="job_status_known"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) ^ Q(status__in=sorted(JOB.final)),
                name="job_ended_has_its_time",
            ),
            # One that failed or was stopped may be followed by another.
            models.UniqueConstraint(
                fields=["undo_of"],
                condition=~Q(status__in=[JobStatus.FAILED, JobStatus.STOPPED]),
                name="job_undone_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_over(self) -> bool:
        return self.status in JOB.final

    @property
    def person(self) -> Person | None:
        """Who started it; None for the portal itself."""
        person: Any = self.by
        return person  # type: ignore[no-any-return]

    def moving(self, to: JobStatus) -> dict[str, Any]:
        """The columns of a step to the status `to`. Raises IllegalTransitionError if it may not."""
        if not JOB.allows(self.status, to):
            raise IllegalTransitionError(f"job {self.pk}: {self.status} to {to}")
        ended = {"ended_at": Now()} if to in JOB.final else {}
        return {"status": to, **ended}


class FileRole(models.TextChoices):
    """Whether a job was given a file, or has made it."""

    GIVEN = "GIVEN", _("Given")
    MADE = "MADE", _("Made")


class JobFile(models.Model):
    """A file of a job, in pieces. It lies in the database, which all processes share, and a piece
    is written in the transaction of its slice, so no file is half there.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = models.ForeignKey(Job, models.PROTECT, related_name="files")
    role = models.CharField(max_length=10, choices=FileRole.choices)
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField(default=0, help_text=_("Bytes"))
    pieces = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "role"], name="job_file_once_for_each_role"),
        ]

    def __str__(self) -> str:
        return self.name


class JobPiece(models.Model):
    """A piece of a file. Pieces are deleted when the file has been kept long enough."""

    file = models.ForeignKey(JobFile, models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["file", "number"], name="job_piece_once"),
        ]

    def __str__(self) -> str:
        return f"{self.file_id} {self.number}"
