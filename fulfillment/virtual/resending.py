"""Asks the partner to send codes again that it delivered."""

from django.db import transaction
from django.utils.translation import gettext as _

from fulfillment import partner
from fulfillment.models import CallKind, Fulfillment, PartnerCall
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.kept import kept


@transaction.atomic
def ask_to_resend(*, held: Fulfillment, email: str, by: Actor, reason: str) -> PartnerCall:
    """Write the call, unsent, to the recipient of `held` at this address. The caller has locked
    `held`, which the partner has delivered.
    """
    call = PartnerCall(
        fulfillment=held,
        kind=CallKind.RESEND,
        body=partner.resend_body(name=held.recipient_name, email=email).decode(),
    )
    call.key = f"resend:{call.pk}"
    call.save(force_insert=True)
    corrected = kept(lambda: _("to a corrected address: %(why)s") % {"why": reason})
    told = reason if email == held.recipient_email else corrected
    call.event("", call.status, by=by, reason=told).save(force_insert=True)
    return call
