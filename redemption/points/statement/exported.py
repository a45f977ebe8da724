"""The trail of files that people of a company took with them."""

from accounts.models import Company
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor


def note_file(*, company: Company, what: str, form: str, by: Actor) -> None:
    """Record who exported `what` of their company. Not for staff who see the page as a seat: they
    may write nothing, and the trail of their viewing has each page.
    """
    record(TrailKind.EXPORTED, by=by, about=company, what=what, facts={"format": form})
