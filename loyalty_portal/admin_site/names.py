"""Names of fields that have none of their own. Django makes an English one from the attribute.

Here they can be translated. A model's own verbose_name wins. They stay out of migrations, since
they are set after the models are made.
"""

from django.apps import apps
from django.utils.translation import gettext_lazy as _

NAMES = {
    "account_manager": _("account manager"),
    "answer_detail": _("details of the answer"),
    "approve_by": _("approve by"),
    "attempts": _("tries"),
    "by": _("by"),
    "by_seat": _("in the seat"),
    "cancel_requested_at": _("cancellation asked for"),
    "category": _("category"),
    "company": _("company"),
    "consumed": _("consumed"),
    "cover": _("picture shown"),
    "created_at": _("created at"),
    "date_joined": _("date joined"),
    "decided_by": _("decided by"),
    "decision": _("decision"),
    "decision_reason": _("reason of the decision"),
    "digest": _("digest"),
    "document": _("document"),
    "ended_at": _("ended"),
    "ended_by": _("ended by"),
    "event_type": _("event type"),
    "family": _("family"),
    "first_sent_at": _("first sent"),
    "group": _("group"),
    "height": _("height"),
    "invitation": _("invitation"),
    "is_card": _("stands for its family"),
    "item": _("line"),
    "key": _("key"),
    "kind": _("kind"),
    "last_updated": _("last updated"),
    "next_attempt_at": _("next try"),
    "order": _("order"),
    "original": _("what it gives back"),
    "permission": _("permission"),
    "problem": _("problem"),
    "processed_at": _("processed"),
    "product": _("product"),
    "product_name": _("product"),
    "quantity": _("quantity"),
    "received_at": _("received"),
    "reference": _("reference"),
    "released": _("released"),
    "settled_at": _("settled"),
    "shipped_by": _("shipped by"),
    "slug": _("part of the address"),
    "state": _("state"),
    "stock_status": _("stock status"),
    "token": _("token of the form"),
    "updated_at": _("updated at"),
    "user": _("user"),
    "webhook_id": _("webhook id"),
    "width": _("width"),
}


def name_fields() -> None:
    """Give each field without a name of its own the one from here, once all models are made."""
    for model in apps.get_models():
        for field in model._meta.fields:
            if field.deconstruct()[3].get("verbose_name") is None and field.name in NAMES:
                field.verbose_name = NAMES[field.name]
