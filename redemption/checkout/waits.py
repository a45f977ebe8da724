"""What a line waits for before it is passed on, as the buyer asked, and the message with it."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import Company
from catalog.models import Product
from loyalty_portal.data.zones import local_day, local_moment
from redemption.saga.steps import RedemptionError
from redemption.states import WaitsFor

SENT_AT = time(9)  # of the chosen day, in the company's time zone
MOST_AHEAD = timedelta(days=366)
LONGEST_MESSAGE = 500  # characters, as the column has them


def sent_on(day: date, company: Company) -> datetime:
    """The moment at which a line for that day is sent."""
    return local_moment(day, SENT_AT, company.time_zone)


def check_terms(
    *,
    product: Product,
    recipient: Mapping[str, str] | None,
    send_on: date | None,
    message: str,
    company: Company,
    asks: bool = False,
) -> None:
    """Raise RedemptionError with a sentence for the buyer unless a line can wait in this way and
    carry this message. `recipient`: None when the details are not known yet. `asks`: the recipient
    is asked for them, by their e-mail address.
    """
    if recipient is not None and not recipient.get("recipient_name", "").strip():
        raise RedemptionError(_("Say who gets “%(product)s”.") % {"product": product.name})
    if asks and not (recipient or {}).get("recipient_email", "").strip():
        why = _("Give the e-mail address of whoever is asked where to send “%(product)s”.")
        raise RedemptionError(why % {"product": product.name})
    if len(message) > LONGEST_MESSAGE:
        raise RedemptionError(
            _("The message for “%(product)s” has %(count)s characters; it may have %(most)s.")
            % {"product": product.name, "count": len(message), "most": LONGEST_MESSAGE}
        )
    if send_on is None:
        return
    if not product.is_virtual:
        why = _("“%(product)s” is sent as a parcel, which cannot wait for a date.")
    elif asks or recipient is None:
        why = _("“%(product)s” waits for its recipient’s answer, and cannot wait for a date too.")
    elif send_on < (today := local_day(timezone.now(), company.time_zone)):
        why = _("“%(product)s” cannot be sent on %(day)s: that day is over.")
    elif send_on > today + MOST_AHEAD:
        why = _("“%(product)s” cannot be sent on %(day)s: choose a day within a year.")
    else:
        return
    told = {"product": product.name, "day": date_format(send_on, "DATE_FORMAT")}
    raise RedemptionError(why % told)


def wait_columns(
    *,
    recipient: Mapping[str, str] | None,
    send_on: date | None,
    company: Company,
    asks: bool = False,
) -> dict[str, Any]:
    """The columns of a line for its recipient (None: not known yet), its day (None: at once), and
    whether the recipient is asked: then only their name and e-mail address are kept.
    """
    if recipient is None:
        return {"waits_for": WaitsFor.RECIPIENT}
    if asks:
        who = ("recipient_name", "recipient_email")
        return {**{name: recipient[name] for name in who}, "waits_for": WaitsFor.RECIPIENT}
    if send_on is None:
        return {**recipient}
    return {
        **recipient,
        "waits_for": WaitsFor.DATE,
        "waits_until": sent_on(send_on, company),
    }
