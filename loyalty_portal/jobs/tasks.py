"""The Celery task that works a job. The sweeper finds the jobs of lost messages."""

import uuid

from loyalty_portal.celery import app, nudge
from loyalty_portal.jobs import services
from loyalty_portal.jobs.models import Job


@app.task(name="jobs.tasks.work_on")
def work_on(job_id: str) -> None:
    """Work a job for a turn, and queue its next one."""
    key = uuid.UUID(job_id)
    if services.work_on(key) and Job.objects.due().filter(pk=key).exists():
        nudge(work_on, key)
