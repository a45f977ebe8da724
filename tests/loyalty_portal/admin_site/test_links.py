"""The admin's address `/admin/r/<type>/<id>/`, which leads to the page of an object."""

import uuid

import pytest
from django.contrib.contenttypes.models import ContentType

from tests.catalog.factories import ProductFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db


def test_an_object_without_a_page_is_not_found_whatever_its_type_and_id() -> None:
    """Some types have no table, such as all events together; some ids are of another kind."""
    client, product = browser(staff("auditor")), ProductFactory.create()
    types = ContentType.objects.order_by("pk")
    assert types.filter(app_label="pghistory").exists()
    ids = ["1", str(uuid.uuid4()), "abc", "9" * 40, "%00"]
    for kind in types:
        answers = {client.get(f"/admin/r/{kind.pk}/{each}/").status_code for each in ids}
        assert answers == {404}, kind
    there = f"/admin/r/{types.get(model='product').pk}/{product.pk}/"
    assert client.get(there)["Location"].endswith(product.get_absolute_url())
