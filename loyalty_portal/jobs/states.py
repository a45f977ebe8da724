"""The status of a job, and which may follow which."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.lifecycle import LifeCycle


class JobStatus(models.TextChoices):
    """How far a job is."""

    QUEUED = "QUEUED", _("Waiting")
    RUNNING = "RUNNING", _("At work")
    DONE = "DONE", _("Done")
    STOPPED = "STOPPED", _("Stopped")
    FAILED = "FAILED", _("Failed")


JOB = LifeCycle(
    "job",
    initial=(JobStatus.QUEUED,),
    table={
        JobStatus.QUEUED: (JobStatus.RUNNING,),
        JobStatus.RUNNING: (JobStatus.DONE, JobStatus.STOPPED, JobStatus.FAILED),
        JobStatus.DONE: (),
        JobStatus.STOPPED: (),
        JobStatus.FAILED: (),
    },
)
