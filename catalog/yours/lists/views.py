"""Pages of the lists that a company shares. All its seats read them; whoever may redeem changes
them.
"""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.layout import header_on
from accounts.permissions import may_redeem
from accounts.views import PortalRequest, with_seat
from catalog.models import Product, ProductList
from catalog.yours import services
from catalog.yours.lists.forms import ListForm
from catalog.yours.selectors import (
    entries_of,
    list_of_company,
    lists_of,
    product_to_keep,
    products_named,
)
from catalog.yours.services import KeepingError
from catalog.yours.shown import lines
from loyalty_portal.http.responses import SeeOther, form_only


@require_safe
@with_seat()
def lists(request: PortalRequest) -> HttpResponse:
    """The company's lists."""
    return _lists(request, ListForm())


@form_only("catalog:lists")
@with_seat(allowed=may_redeem)
def make(request: PortalRequest) -> HttpResponse:
    """Make a list: `name`."""
    form = ListForm(request.POST)
    if form.is_valid():
        try:
            made = services.make_list(seat=request.seat, name=form.cleaned_data["name"])
        except KeepingError as problem:
            form.add_error("name", str(problem))
        else:
            messages.success(request, _("The list “%(name)s” is made.") % {"name": made.name})
            return SeeOther(resolve_url("catalog:one_list", made.pk))
    return _lists(request, form, status=422)


def _lists(request: PortalRequest, form: ListForm, *, status: int = 200) -> HttpResponse:
    facts = {
        "lists": lists_of(request.seat.company),
        "form": form,
        "may_change": may_redeem(request.actor),
    }
    return render(request, "catalog/yours/lists.html", facts, status=status)


@require_safe
@with_seat()
def one_list(request: PortalRequest, list_id: UUID) -> HttpResponse:
    """The products of one list, the newest first."""
    return _one(request, _own(request, list_id))


def _one(
    request: PortalRequest, one: ProductList, form: ListForm | None = None, *, status: int = 200
) -> HttpResponse:
    company = request.seat.company
    page = entries_of(one, company, request.GET.get("page", "1"))
    facts = {
        "list": one,
        "page": page,
        "lines": lines(company, page.object_list, header_on(request).spendable),
        "form": form or ListForm(initial={"name": one.name}),
        "may_redeem": may_redeem(request.actor),
    }
    return render(request, "catalog/yours/list.html", facts, status=status)


@form_only("catalog:one_list", "list_id")
@with_seat(allowed=may_redeem)
def rename(request: PortalRequest, list_id: UUID) -> HttpResponse:
    """Give a list another name: `name`."""
    one, form = _own(request, list_id), ListForm(request.POST)
    if form.is_valid():
        try:
            services.rename_list(one=one, name=form.cleaned_data["name"])
        except KeepingError as problem:
            form.add_error("name", str(problem))
        else:
            messages.success(request, _("The list has its new name."))
            return SeeOther(resolve_url("catalog:one_list", list_id))
    return _one(request, _own(request, list_id), form, status=422)


@form_only("catalog:one_list", "list_id")
@with_seat(allowed=may_redeem)
def delete(request: PortalRequest, list_id: UUID) -> HttpResponse:
    """Delete a list for the whole company."""
    one = _own(request, list_id)
    one.delete()
    messages.success(request, _("The list “%(name)s” is deleted.") % {"name": one.name})
    return SeeOther(resolve_url("catalog:lists"))


@form_only("catalog:one_list", "list_id")
@with_seat(allowed=may_redeem)
def take_off(request: PortalRequest, list_id: UUID) -> HttpResponse:
    """Take a product off a list: `product`."""
    one = _own(request, list_id)
    product = product_to_keep(request.seat.company, request.POST.get("product", ""))
    if product is None:
        raise Http404
    services.take_off_list(one=one, product=product)
    told = _("“%(product)s” is off the list.") % {"product": product.name}
    messages.success(request, told)
    return SeeOther(resolve_url("catalog:one_list", list_id))


@require_http_methods(["GET", "HEAD", "POST"])
@with_seat(allowed=may_redeem)
def put_on(request: PortalRequest) -> HttpResponse:
    """Put a product, the slug `p` of the address, on a list: on one of the company's (`list`), or
    on a new one (`name`).
    """
    found = products_named(request.seat.company, [request.GET.get("p", "")])
    if not found:
        raise Http404
    [product] = found
    form = ListForm(request.POST or None)
    if request.method == "POST":
        try:
            if one := _wanted(request, form):
                services.put_on_list(one=one, product=product, seat=request.seat)
                told = _("“%(product)s” is on the list “%(name)s”.")
                named = {"product": product.name, "name": one.name}
                messages.success(request, told % named)
                return SeeOther(product.get_absolute_url())
        except KeepingError as problem:
            if request.POST.get("list"):
                messages.error(request, str(problem))
                return SeeOther(request.get_full_path())
            form.add_error("name", str(problem))
    return _choose(request, product, form)


def _wanted(request: PortalRequest, form: ListForm) -> ProductList | None:
    """The list that was chosen, or a new one; None where the form says what is wrong."""
    if key := request.POST.get("list", ""):
        one = list_of_company(request.seat.company, key)
        if one is None:
            raise Http404
        return one
    if not form.is_valid():
        return None
    return services.make_list(seat=request.seat, name=form.cleaned_data["name"])


def _choose(request: PortalRequest, product: Product, form: ListForm) -> HttpResponse:
    facts = {"product": product, "lists": lists_of(request.seat.company), "form": form}
    status = 422 if form.is_bound else 200
    return render(request, "catalog/yours/put_on.html", facts, status=status)


def _own(request: PortalRequest, list_id: UUID) -> ProductList:
    one = list_of_company(request.seat.company, list_id)
    if one is None:
        raise Http404
    return one
