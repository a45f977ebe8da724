"""Secrets at rest: unreadable, unchangeable unnoticed, and still there after a key rotation."""

import base64
import os
from collections.abc import Iterator

import pytest
from django.core.exceptions import FieldError
from django.db import connection, models
from django.db.models.functions import Upper
from django.test.utils import isolate_apps
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from loyalty_portal.encrypted_field import (
    DecryptionError,
    EncryptedTextField,
    decrypt,
    encrypt,
    fingerprint,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def new_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


@given(TEXT)
def test_what_was_encrypted_comes_back(plain: str) -> None:
    assert decrypt(encrypt(plain)) == plain


def test_the_same_text_is_never_stored_the_same() -> None:
    assert encrypt("GIFT-1") != encrypt("GIFT-1")
    assert "GIFT-1" not in encrypt("GIFT-1")


@pytest.mark.parametrize("position", [0, 1, 5, 12, 20, 30, -1])
def test_a_changed_value_is_refused(position: int) -> None:
    stored = encrypt("GIFT-1")
    other = "A" if stored[position] != "A" else "B"
    place = position % len(stored)
    with pytest.raises(DecryptionError):
        decrypt(stored[:place] + other + stored[place + 1 :])


@pytest.mark.parametrize("length", [0, 2, 12, 16, 30])
def test_a_shortened_value_is_refused(length: int) -> None:
    with pytest.raises(DecryptionError):
        decrypt(encrypt("GIFT-1")[:length])


@given(TEXT)
def test_whatever_else_is_stored_is_refused(stored: str) -> None:
    header = encrypt("")[:12]
    for hostile in (stored, header + stored):
        with pytest.raises(DecryptionError):
            decrypt(hostile)


def test_old_keys_still_read_and_the_newest_writes(settings: Settings) -> None:
    old, new = new_key(), new_key()
    settings.FIELD_ENCRYPTION_KEYS = [old]
    written_before = encrypt("GIFT-1")
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    written_after = encrypt("GIFT-1")
    assert decrypt(written_before) == "GIFT-1"
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert decrypt(written_after) == "GIFT-1"
    with pytest.raises(DecryptionError, match="no key"):
        decrypt(written_before)


def test_a_fingerprint_outlives_the_adding_of_a_key(settings: Settings) -> None:
    oldest = new_key()
    settings.FIELD_ENCRYPTION_KEYS = [oldest]
    before = fingerprint("GIFT-1")
    settings.FIELD_ENCRYPTION_KEYS = [new_key(), new_key(), oldest]
    assert fingerprint("GIFT-1") == before
    assert fingerprint("GIFT-2") != before


def test_a_fingerprint_names_its_key_so_that_a_lost_one_is_seen(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [new_key()]
    before = fingerprint("GIFT-1")
    settings.FIELD_ENCRYPTION_KEYS = [new_key()]
    assert fingerprint("GIFT-1")[:8] != before[:8]
    assert len(before) == 73


@pytest.fixture
def voucher(transactional_db: None) -> Iterator[type[models.Model]]:
    with isolate_apps("loyalty_portal"):

        class Voucher(models.Model):
            code = EncryptedTextField(null=True)

            class Meta:
                app_label = "loyalty_portal"

            def __str__(self) -> str:
                return f"voucher {self.pk}"

        with connection.schema_editor() as editor:
            editor.create_model(Voucher)
        yield Voucher
        with connection.schema_editor() as editor:
            editor.delete_model(Voucher)


def stored(voucher: type[models.Model]) -> list[str | None]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT code FROM {voucher._meta.db_table} ORDER BY id")
        return [code for (code,) in cursor.fetchall()]


def test_the_database_never_sees_the_text(voucher: type[models.Model]) -> None:
    rows = voucher._base_manager
    one = rows.create(code="GIFT-1")
    rows.bulk_create([voucher(code="GIFT-2"), voucher(code="GIFT-3")])
    rows.filter(pk=one.pk).update(code="GIFT-4")
    three = rows.get(pk=one.pk + 2)
    three.code = "GIFT-5"  # type: ignore[attr-defined]
    rows.bulk_update([three], ["code"])
    three.save()
    assert list(rows.order_by("pk").values_list("code", flat=True)) == [
        "GIFT-4",
        "GIFT-2",
        "GIFT-5",
    ]
    assert not any("GIFT" in str(code) for code in stored(voucher))
    assert len(set(stored(voucher))) == 3


def test_nothing_and_empty_are_kept_apart(voucher: type[models.Model]) -> None:
    rows = voucher._base_manager
    rows.create(code=None)
    rows.create(code="")
    assert list(rows.order_by("pk").values_list("code", flat=True)) == [None, ""]
    assert stored(voucher)[0] is None
    assert stored(voucher)[1]
    assert rows.filter(code__isnull=True).count() == 1


def test_a_row_that_was_tampered_with_is_not_read(voucher: type[models.Model]) -> None:
    rows = voucher._base_manager
    rows.create(code="GIFT-1")
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {voucher._meta.db_table} SET code = code || 'A'")
    with pytest.raises(DecryptionError):
        rows.get()


@pytest.mark.parametrize(
    "question",
    ["code", "code__in", "code__startswith", "code__icontains", "code__gt", "code__upper"],
)
def test_a_question_that_could_only_answer_wrong_is_refused(
    voucher: type[models.Model], question: str
) -> None:
    with pytest.raises(FieldError, match="encrypted"):
        voucher._base_manager.filter(**{question: "GIFT-1"})


def test_not_even_by_a_function(voucher: type[models.Model]) -> None:
    with pytest.raises(FieldError):
        voucher._base_manager.annotate(loud=Upper("code")).filter(loud="GIFT-1")
