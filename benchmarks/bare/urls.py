"""One view that lists 24 products, and one that places an order."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path

from benchmarks.bare.models import BareLine, BareOrder, BareProduct, BareStock, BareTransaction


def list_products(request: HttpRequest) -> HttpResponse:
    page = int(request.GET.get("page", "1"))
    rows = BareProduct.objects.filter(is_active=True).order_by("name", "id")
    return render(request, "list.html", {"products": rows[(page - 1) * 24 : page * 24]})


@transaction.atomic
def place(request: HttpRequest) -> HttpResponse:
    stock = (
        BareStock.objects.select_for_update()
        .select_related("product")
        .get(product_id=int(request.POST["product"]))
    )
    stock.available -= 1
    stock.save(update_fields=["available"])
    order = BareOrder.objects.create(total=stock.product.points_cost)
    BareLine.objects.create(order=order, product=stock.product, quantity=1)
    BareTransaction.objects.create(order=order, points=order.total, status="INTENDED")
    return HttpResponseRedirect(f"/order/{order.pk}/")


urlpatterns = [path("", list_products), path("place/", place)]
