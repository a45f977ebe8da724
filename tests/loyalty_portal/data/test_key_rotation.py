"""A key rotation re-encrypts everything, so that the old key can be removed."""

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.access.factors.codes import use_code
from fulfillment.models import Fulfillment, VirtualCode
from fulfillment.partner import Deliverable
from fulfillment.virtual import services as virtual
from loyalty_portal.data.encrypted_field import (
    DecryptionError,
    _keys,
    fingerprint,
    listed_keys,
    newest_key,
)
from redemption.models import Callback
from tests.accounts.factories import SeatFactory, UserFactory
from tests.accounts.second_factor import code_of, with_app
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import paid
from tests.support.daemons import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


def new_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


@pytest.fixture
def keys(settings: Any) -> Callable[..., None]:
    """Sets FIELD_ENCRYPTION_KEYS, newest first, as after a restart."""

    def listed(*given: str) -> None:
        settings.FIELD_ENCRYPTION_KEYS = list(given)

    return listed


@pytest.fixture
def parcel() -> Fulfillment:
    order = paid(SeatFactory.create(), (ProductFactory.create(virtual=True), 3))
    return Fulfillment.objects.get(label=order.order_number)


def written(parcel: Fulfillment, count: int) -> None:
    VirtualCode.objects.bulk_create(
        VirtualCode(
            fulfillment=parcel,
            position=each,
            code=f"GIFT-{each}",
            fingerprint=fingerprint(f"GIFT-{each}"),
        )
        for each in range(count)
    )
    Callback.objects.create(webhook_id="m", event_type="t", reference="r", body="BODY")


def as_the_version_before(row: Any, column: str, plain: str) -> None:
    """Store a value in the format of the version before, which is bound to no row."""
    key = _keys()[0]
    nonce, header = os.urandom(12), f"v1.{key.id}."
    sealed = key.cipher.encrypt(nonce, plain.encode(), header.encode())
    stored = header + base64.urlsafe_b64encode(nonce + sealed).decode()
    table = row._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [stored, row.pk])


def stored() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT unnest(ARRAY[code, pin, url, fingerprint]) FROM fulfillment_virtualcode"
            " UNION ALL SELECT body FROM redemption_callback"
        )
        return [value for (value,) in cursor.fetchall()]


def rotate(*options: str) -> str:
    out = StringIO()
    call_command("rotate_keys", *options, stdout=out, stderr=out)
    return out.getvalue()


def codes() -> list[str | None]:
    return [row.code for row in VirtualCode.objects.order_by("position")]


def test_after_the_rotation_the_old_key_may_go(
    parcel: Fulfillment, keys: Callable[..., None]
) -> None:
    old, new = new_key(), new_key()
    keys(old)
    written(parcel, 5)
    as_the_version_before(VirtualCode.objects.first(), "code", "GIFT-0")
    keys(new, old)
    told = rotate("--batch", "2")
    assert "fulfillment_virtualcode: 2 of 5" in told
    assert "fulfillment_virtualcode: 5 of 5" in told
    assert f"Key 2 of FIELD_ENCRYPTION_KEYS ({listed_keys()[1]}) may be removed" in told
    keys(new)
    assert codes() == [f"GIFT-{each}" for each in range(5)]
    assert Callback.objects.get().body == "BODY"
    assert all(newest_key() in value for value in stored())
    assert "of 5" not in rotate()


def test_values_that_are_bound_to_no_row_are_read_and_bound_by_a_rotation(
    parcel: Fulfillment, keys: Callable[..., None]
) -> None:
    keys(new_key())
    written(parcel, 1)
    as_the_version_before(VirtualCode.objects.get(), "code", "GIFT-OLD")
    assert codes() == ["GIFT-OLD"]
    told = rotate()
    assert "may be removed" not in told
    assert codes() == ["GIFT-OLD"]
    assert not [value for value in stored() if value.startswith("v1.")]


def test_swapped_codes_are_told_and_keep_the_old_key(
    parcel: Fulfillment, keys: Callable[..., None]
) -> None:
    old = new_key()
    keys(old)
    written(parcel, 2)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE fulfillment_virtualcode a SET code = b.code FROM fulfillment_virtualcode b"
            " WHERE a.id <> b.id"
        )
    keys(new_key(), old)
    with pytest.raises(CommandError, match="2 rows could not be turned; keep all keys"):
        rotate()
    with pytest.raises(DecryptionError, match="moved"):
        codes()


def test_a_code_that_is_known_under_an_older_key_is_not_handed_out_again(
    parcel: Fulfillment, keys: Callable[..., None]
) -> None:
    old = new_key()
    keys(old)
    written(parcel, 1)
    keys(new_key(), old)
    other = paid(SeatFactory.create(), (ProductFactory.create(virtual=True), 1))
    again = virtual.keep(
        Fulfillment.objects.get(label=other.order_number),
        [Deliverable(code="GIFT-0", pin=None, url=None, expires_on=None)],
        first=1,
    )
    assert "belongs to another order" in again
    assert VirtualCode.objects.count() == 1


def test_a_run_that_is_killed_is_begun_again(
    parcel: Fulfillment, keys: Callable[..., None]
) -> None:
    old, new = new_key(), new_key()
    keys(old)
    written(parcel, 300)
    with subprocess.Popen(
        [sys.executable, "manage.py", "rotate_keys", "--batch", "1"],
        cwd=ROOT,
        env=environment({"FIELD_ENCRYPTION_KEYS": f"{new},{old}"}),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.kill()
    assert lines[-1] == "fulfillment_virtualcode: 3 of 300\n"
    keys(new, old)
    under_new = [value for value in stored() if newest_key() in value]
    assert 3 * 4 <= len(under_new) < 300 * 4
    assert codes() == [f"GIFT-{each}" for each in range(300)]
    assert "may be removed" in rotate()
    keys(new)
    assert codes() == [f"GIFT-{each}" for each in range(300)]


def environment(changes: Mapping[str, str]) -> dict[str, str]:
    at = connection.settings_dict
    address = f"postgresql://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
    return {**os.environ, "DATABASE_URL": address, **changes}


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(CommandError, match="from 1 to 10000"):
        rotate("--batch", "0")


def test_the_secrets_of_peoples_factors_are_turned_too(keys: Callable[..., None]) -> None:
    person = UserFactory.create()
    old, new = new_key(), new_key()
    keys(old)
    with_app(person)
    RecoveryCodes.activate(person)
    recovery = RecoveryCodes.activate(person).generate_codes()
    keys(new, old)
    told = StringIO()
    call_command("rotate_keys", stdout=told)
    assert "mfa_authenticator: 2 of 2" in told.getvalue()
    assert "may be removed" in told.getvalue()
    keys(new)
    assert use_code(person, code_of(person))
    assert use_code(person, recovery[0])
    keys(new_key(), old)
    with pytest.raises(CommandError, match="2 rows could not be turned"):
        call_command("rotate_keys", stdout=StringIO(), stderr=StringIO())
