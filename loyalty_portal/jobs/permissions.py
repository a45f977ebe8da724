"""Who may see a job, and do something about it."""

from django.db.models import Q
from django.http import HttpRequest

from loyalty_portal.data.actor import Actor
from loyalty_portal.data.leases import LeasedQuerySet
from loyalty_portal.jobs.kinds import kinds
from loyalty_portal.jobs.models import Job

SEES_ALL = "jobs.view_job"


def may_start(actor: Actor, kind: str) -> bool:
    """Whether the actor may start a job of this kind; the portal itself may start any."""
    known = kinds().get(kind)
    return known is not None and (actor.is_system or actor.has_perm(known.permission))


def may_act_on(actor: Actor, job: Job) -> bool:
    """Whether the actor may stop or undo the job: they may start one of its kind."""
    return may_start(actor, job.kind)


def may_fetch(actor: Actor, job: Job) -> bool:
    """Whether the actor may have the job's file: it is theirs, or they may start one like it."""
    return (actor.user_id is not None and job.by_id == actor.user_id) or may_start(actor, job.kind)


def visible(actor: Actor) -> LeasedQuerySet[Job]:
    """The actor's own jobs, and those of kinds that they may start; all for whoever sees all."""
    if actor.has_perm(SEES_ALL):
        return Job.objects.all()
    return Job.objects.filter(Q(by=actor.user_id) | Q(kind__in=_kinds_of(actor)))


def may_open_list(request: HttpRequest) -> bool:
    """Whether there is a list of jobs for this member of staff, for the menu."""
    actor = Actor.person(request.user)
    return actor.has_perm(SEES_ALL) or bool(_kinds_of(actor))


def _kinds_of(actor: Actor) -> list[str]:
    return [name for name, kind in kinds().items() if actor.has_perm(kind.permission)]
