"""The codes with which the two partners refuse something, in plain sentences for everybody.

Partners may send codes that are not listed here. Whoever ordered then reads a neutral sentence;
staff read the code itself too.
"""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

_KNOWN = {
    # docs/contracts/loyalty-api.yaml
    "insufficient_points": gettext_lazy("There were not enough points in the account."),
    "account_not_found": gettext_lazy("The loyalty system does not know the account."),
    "account_blocked": gettext_lazy("The account is blocked."),
    "account_closed": gettext_lazy("The account is closed."),
    "refund_exceeds_debit": gettext_lazy("The loyalty system says that these points are back."),
    "transaction_not_found": gettext_lazy("The loyalty system does not find the points taken."),
    # docs/contracts/fulfillment-api.yaml
    "out_of_stock": gettext_lazy("The supplier has none left."),
    "invalid_recipient": gettext_lazy("The supplier could not send it to this recipient."),
    "rejected": gettext_lazy("The supplier does not deliver it to this recipient."),
    "expired": gettext_lazy("It ran out at the supplier before it was delivered."),
    "requested": gettext_lazy("The supplier stopped it, as it was asked to."),
}


def loyalty_reason(code: str) -> str:
    """Why the loyalty system refused, in a sentence."""
    return str(_KNOWN.get(code) or _("The loyalty system refused."))


def supplier_reason(code: str) -> str:
    """Why the supplier did not deliver, in a sentence."""
    return str(_KNOWN.get(code) or _("The supplier could not deliver it."))
