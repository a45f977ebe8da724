"""Encrypted values are unreadable, cannot be changed unnoticed, and survive a key rotation."""

import base64
import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import FieldError
from django.db import connection, models
from django.db.models.functions import Upper
from django.test.utils import isolate_apps
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from loyalty_portal.data.encrypted_field import (
    DecryptionError,
    EncryptedTextField,
    decrypt,
    encrypt,
    fingerprint,
    fingerprints,
)
from loyalty_portal.data.ids import uuid7
from loyalty_portal.fastpath.sql import insert
from loyalty_portal.fastpath.updates import update

HERE = "table column 1"
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def new_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


@given(TEXT)
def test_what_was_encrypted_comes_back(plain: str) -> None:
    assert decrypt(encrypt(plain, place=HERE), place=HERE) == plain


def test_the_same_text_is_never_stored_the_same() -> None:
    assert encrypt("GIFT-1", place=HERE) != encrypt("GIFT-1", place=HERE)
    assert "GIFT-1" not in encrypt("GIFT-1", place=HERE)


@pytest.mark.parametrize("position", [0, 1, 5, 12, 20, 30, -1])
def test_a_changed_value_is_refused(position: int) -> None:
    stored = encrypt("GIFT-1", place=HERE)
    other = "A" if stored[position] != "A" else "B"
    place = position % len(stored)
    with pytest.raises(DecryptionError):
        decrypt(stored[:place] + other + stored[place + 1 :], place=HERE)


@pytest.mark.parametrize("length", [0, 2, 12, 16, 30])
def test_a_shortened_value_is_refused(length: int) -> None:
    with pytest.raises(DecryptionError):
        decrypt(encrypt("GIFT-1", place=HERE)[:length], place=HERE)


@given(TEXT)
def test_whatever_else_is_stored_is_refused(stored: str) -> None:
    header = encrypt("", place=HERE)[:12]
    for hostile in (stored, header + stored):
        with pytest.raises(DecryptionError):
            decrypt(hostile, place=HERE)


def test_old_keys_still_read_and_the_newest_writes(settings: Settings) -> None:
    old, new = new_key(), new_key()
    settings.FIELD_ENCRYPTION_KEYS = [old]
    written_before = encrypt("GIFT-1", place=HERE)
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    written_after = encrypt("GIFT-1", place=HERE)
    assert decrypt(written_before, place=HERE) == "GIFT-1"
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert decrypt(written_after, place=HERE) == "GIFT-1"
    with pytest.raises(DecryptionError, match="no key"):
        decrypt(written_before, place=HERE)


def test_what_was_encrypted_for_another_place_is_refused() -> None:
    stored = encrypt("GIFT-1", place=HERE)
    for elsewhere in ("table column 2", "table other 1", "other column 1", ""):
        with pytest.raises(DecryptionError, match="moved"):
            decrypt(stored, place=elsewhere)


def test_a_code_is_known_by_every_listed_key(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [oldest] = [new_key()]
    before = fingerprint("GIFT-1")
    settings.FIELD_ENCRYPTION_KEYS = [new_key(), new_key(), oldest]
    assert fingerprints("GIFT-1")[-1] == before
    assert fingerprints("GIFT-1")[0] == fingerprint("GIFT-1") != before
    assert not set(fingerprints("GIFT-2")) & set(fingerprints("GIFT-1"))


def test_a_fingerprint_names_its_key_so_that_a_lost_one_is_seen(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [new_key()]
    before = fingerprint("GIFT-1")
    settings.FIELD_ENCRYPTION_KEYS = [new_key()]
    assert fingerprint("GIFT-1")[:8] != before[:8]
    assert len(before) == 73


@pytest.fixture
def voucher(transactional_db: None) -> Iterator[type[Any]]:
    with isolate_apps("loyalty_portal"):

        class Voucher(models.Model):
            id = models.UUIDField(primary_key=True, default=uuid7)
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


def stored(voucher: type[Any]) -> list[str | None]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT code FROM {voucher._meta.db_table} ORDER BY id")
        return [code for (code,) in cursor.fetchall()]


def codes(voucher: type[Any]) -> list[str | None]:
    return [row.code for row in voucher._base_manager.order_by("pk")]


def test_the_database_never_sees_the_text(voucher: type[Any]) -> None:
    rows = voucher._base_manager
    one = rows.create(code="GIFT-1")
    rows.bulk_create([voucher(code="GIFT-2"), voucher(code="GIFT-3")])
    insert([voucher(code="GIFT-4")])
    one.code = "GIFT-5"
    one.save()
    assert codes(voucher) == ["GIFT-5", "GIFT-2", "GIFT-3", "GIFT-4"]
    assert not any("GIFT" in str(code) for code in stored(voucher))
    assert len(set(stored(voucher))) == 4


def test_nothing_and_empty_are_kept_apart(voucher: type[Any]) -> None:
    rows = voucher._base_manager
    rows.create(code=None)
    rows.create(code="")
    assert codes(voucher) == [None, ""]
    assert stored(voucher)[0] is None
    assert stored(voucher)[1]
    assert rows.filter(code__isnull=True).count() == 1


def test_a_row_that_is_read_in_part_or_again_is_opened_too(voucher: type[Any]) -> None:
    row = voucher._base_manager.create(code="GIFT-1")
    assert voucher._base_manager.defer("code").get().code == "GIFT-1"
    assert voucher._base_manager.only("code").get().code == "GIFT-1"
    row.refresh_from_db()
    assert row.code == "GIFT-1"


def test_the_codes_of_two_rows_cannot_be_swapped(voucher: type[Any]) -> None:
    rows = voucher._base_manager
    one, other = rows.create(code="GIFT-1"), rows.create(code="GIFT-2")
    with connection.cursor() as cursor:
        for row, code in zip((one, other), reversed(stored(voucher)), strict=True):
            table = voucher._meta.db_table
            cursor.execute(f"UPDATE {table} SET code = %s WHERE id = %s", [code, row.pk])
    for row in rows.all():
        with pytest.raises(DecryptionError, match="moved"):
            _ = row.code


def test_a_value_without_its_row_is_neither_written_nor_read(voucher: type[Any]) -> None:
    rows = voucher._base_manager
    row = rows.create(code="GIFT-1")
    with pytest.raises(FieldError, match="save the row"):
        rows.update(code="GIFT-2")
    with pytest.raises(FieldError, match="save the row"):
        rows.bulk_update([row], ["code"])
    with pytest.raises(FieldError, match="save the row"):
        update(voucher, {"pk": row.pk}, {"code": "GIFT-2"})
    with pytest.raises(FieldError, match="read from its row"):
        str(rows.values_list("code", flat=True).get())
    assert codes(voucher) == ["GIFT-1"]


def test_a_row_that_was_tampered_with_is_not_read(voucher: type[Any]) -> None:
    rows = voucher._base_manager
    rows.create(code="GIFT-1")
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {voucher._meta.db_table} SET code = code || 'A'")
    with pytest.raises(DecryptionError):
        _ = rows.get().code


@pytest.mark.parametrize(
    "question",
    ["code", "code__in", "code__startswith", "code__icontains", "code__gt", "code__upper"],
)
def test_a_question_that_could_only_answer_wrong_is_refused(
    voucher: type[Any], question: str
) -> None:
    with pytest.raises(FieldError, match="encrypted"):
        voucher._base_manager.filter(**{question: "GIFT-1"})


def test_not_even_by_a_function(voucher: type[Any]) -> None:
    with pytest.raises(FieldError):
        voucher._base_manager.annotate(loud=Upper("code")).filter(loud="GIFT-1")
