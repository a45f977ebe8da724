"""How the desk's pages show statuses, promises and events."""

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _

from fulfillment.desk.selectors import SOON
from fulfillment.models import Fulfillment, FulfillmentEvent
from fulfillment.states import TO_SEND, FulfillmentStatus
from loyalty_portal.admin_site.base import badge
from loyalty_portal.data.texts.kept import retold

_STATUS = {
    FulfillmentStatus.QUEUED: ("live", "inbox"),
    FulfillmentStatus.REQUESTED: ("live", "hourglass_top"),
    FulfillmentStatus.PACKED: ("live", "inventory_2"),
    FulfillmentStatus.SHIPPED: ("live", "local_shipping"),
    FulfillmentStatus.DELIVERED: ("ok", ""),
    FulfillmentStatus.FAILED: ("bad", ""),
    FulfillmentStatus.CANCELLED: ("quiet", "block"),
    FulfillmentStatus.RETURNED: ("warn", "assignment_return"),
}


def told(event: FulfillmentEvent) -> tuple[FulfillmentEvent, str, str]:
    """An event with its headline and its detail. Without a new status the reason is the
    headline. Back in the queue after packing means that a part was shipped.
    """
    if event.reason and event.from_status == event.to_status:
        return event, retold(event.reason), ""
    if (event.from_status, event.to_status) == (FulfillmentStatus.PACKED, FulfillmentStatus.QUEUED):
        return event, _("Shipped in part"), retold(event.reason)
    return event, str(FulfillmentStatus(event.to_status).label), retold(event.reason)


def status_badge(row: Fulfillment) -> SafeString:
    tone, icon = _STATUS[FulfillmentStatus(row.status)]
    return badge(tone, row.get_status_display(), icon=icon)


def promise_badge(row: Fulfillment) -> SafeString:
    """The promised date as a badge. What was sent already is not urgent any more."""
    now = timezone.now()
    exact = date_format(timezone.localtime(row.promised_by), "DATETIME_FORMAT")
    if row.status not in TO_SEND:
        return badge("quiet", _("Sent") if row.quantity_shipped else "–", icon="done", title=exact)
    if row.promised_by < now:
        late = timesince(row.promised_by, now, depth=1)
        return badge("bad", _("%(time)s late") % {"time": late}, icon="priority_high", title=exact)
    left = timeuntil(row.promised_by, now, depth=1)
    tone, icon = ("warn", "schedule") if row.promised_by < now + SOON else ("ok", "event_available")
    return badge(tone, _("in %(time)s") % {"time": left}, icon=icon, title=exact)
