"""The button on a product's stock page that checks whether its stock adds up."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from inventory.models import Inventory
from loyalty_portal.admin_site.refusals import RefusedError
from redemption.saga.stock_watch import watch_product


def check_product(request: HttpRequest, stock_id: UUID) -> HttpResponse:
    """Compare a product's stock with its movements and reservations, say the result, and raise or
    resolve its incident.
    """
    if not request.user.has_perm("inventory.move_stock"):
        raise RefusedError("inventory.move_stock")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    stock = get_object_or_404(Inventory.objects.select_related("product"), pk=stock_id)
    wrong = watch_product(stock.product)
    if wrong:
        messages.error(
            request,
            _("It does not add up, and an incident is open: %(figures)s.")
            % {"figures": "; ".join(wrong)},
        )
    else:
        messages.success(request, _("It adds up: the movements and reservations give its numbers."))
    there = reverse("admin:inventory_inventory_change", args=[stock.pk])
    return HttpResponseRedirect(there, status=303)
