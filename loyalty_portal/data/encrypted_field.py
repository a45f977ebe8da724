"""Secrets at rest: AES-256-GCM under the newest of FIELD_ENCRYPTION_KEYS, readable under any.

A stored value is `v2.<key id>.<nonce and ciphertext in base64>`, and bound to the place where it
stands: read from anywhere else it is refused. `v1` was not bound; it is read until `rotate_keys`
has turned it into `v2`. What the fingerprints are for: docs/decisions/0012-codes-at-rest.md.
"""

import base64
import binascii
import functools
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import FieldError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.query_utils import DeferredAttribute

if TYPE_CHECKING:
    _TextField = models.TextField[str | None, str | None]
else:
    _TextField = models.TextField

_NONCE = 12  # bytes, as AES-GCM has it


class DecryptionError(Exception):
    """Not ours, not whole, or under a key that FIELD_ENCRYPTION_KEYS no longer lists."""


@dataclass(frozen=True, slots=True)
class _Key:
    id: str
    cipher: AESGCM = field(repr=False)
    fingerprint: bytes = field(repr=False)


def _key(encoded: str) -> _Key:
    secret = base64.urlsafe_b64decode(encoded)

    def derive(purpose: bytes, length: int = 32) -> bytes:
        return HKDF(SHA256(), length, salt=None, info=b"loyalty-portal " + purpose).derive(secret)

    return _Key(derive(b"key id", 4).hex(), AESGCM(derive(b"encryption")), derive(b"fingerprint"))


@functools.lru_cache(maxsize=8)
def _keys_of(encoded: tuple[str, ...]) -> tuple[_Key, ...]:
    return tuple(_key(each) for each in encoded)


def _keys() -> tuple[_Key, ...]:
    return _keys_of(tuple(settings.FIELD_ENCRYPTION_KEYS))


def newest_key() -> str:
    """The id of the key that writes."""
    return _keys()[0].id


def listed_keys() -> list[str]:
    """The ids of all keys that are read, newest first."""
    return [key.id for key in _keys()]


def sealed_with(key_id: str) -> str:
    """How values begin that are bound to their place and written with this key."""
    return f"v2.{key_id}."


def encrypt(plain: str, *, place: str) -> str:
    """`plain` under the newest key, readable at `place` alone; different each time."""
    newest = _keys()[0]
    header = sealed_with(newest.id)
    nonce = os.urandom(_NONCE)
    sealed = newest.cipher.encrypt(nonce, plain.encode(), (header + place).encode())
    return header + base64.urlsafe_b64encode(nonce + sealed).decode()


def decrypt(stored: str, *, place: str) -> str:
    """What was encrypted for `place`, under whichever listed key. Raises DecryptionError."""
    header, _, sealed = stored.rpartition(".")
    version, _, key_id = header.partition(".")
    bound = {"v1": "", "v2": place}.get(version)
    for key in _keys():
        if bound is None or key_id != key.id:
            continue
        try:
            raw = base64.b64decode(sealed, altchars=b"-_", validate=True)
            about = f"{header}.{bound}".encode()
            plain = key.cipher.decrypt(raw[:_NONCE], raw[_NONCE:], about)
        except (InvalidTag, binascii.Error, ValueError):
            raise DecryptionError("the stored value has been changed, or moved") from None
        return plain.decode()
    raise DecryptionError("no key of FIELD_ENCRYPTION_KEYS wrote this value")


def fingerprints(plain: str) -> list[str]:
    """How a secret is told apart without being read: one for each listed key, newest first.

    73 characters each, the same for the same text; the first eight name the key. The newest is
    what is written; to find a secret, ask for all.
    """
    return [
        f"{key.id}.{hmac.new(key.fingerprint, plain.encode(), hashlib.sha256).hexdigest()}"
        for key in _keys()
    ]


def fingerprint(plain: str) -> str:
    """The newest of `fingerprints`."""
    return fingerprints(plain)[0]


class Fingerprinted:
    """A model with a column `fingerprint`, of what `secret()` returns."""

    fingerprint: str

    def secret(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value as it is stored. Only its row, whose key it needs, can open it."""

    stored: str = field(repr=False)

    def __str__(self) -> str:
        raise FieldError(
            "an encrypted value is read from its row: not by values() or values_list()"
        )


class _Opening(DeferredAttribute):
    """Opens what the database gave when it is asked for: by then the row's key is known."""

    field: "EncryptedTextField"

    def __get__(self, row: models.Model | None, cls: type[models.Model] | None = None) -> Any:
        value = super().__get__(row, cls)
        if row is not None and isinstance(value, Sealed):
            value = decrypt(value.stored, place=self.field.place(row))
            row.__dict__[self.field.attname] = value
        return value

    # Without it Python would find the value in the row's dict first.
    def __set__(self, row: models.Model, value: Any) -> None:
        row.__dict__[self.field.attname] = value


class EncryptedTextField(_TextField):
    """Text that only this process can read, at this row and in this column.

    None stays NULL; "" is encrypted like any text. The row's key must be known before it is
    saved, as UUIDs are. Reading a value that was tampered with, or moved here from another row,
    raises DecryptionError.
    """

    descriptor_class = _Opening

    def place(self, row: models.Model) -> str:
        if row.pk is None:
            raise FieldError(f"{self.name} is encrypted for its row, which has no key yet")
        return f"{row._meta.db_table} {self.column} {row.pk}"

    def pre_save(self, model_instance: models.Model, add: bool) -> Sealed | None:  # noqa: ARG002 - Django's signature
        plain = self.to_python(getattr(model_instance, self.attname))
        return None if plain is None else Sealed(encrypt(plain, place=self.place(model_instance)))

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Sealed):
            return value.stored
        if value is None:
            return None
        raise FieldError(f"{self.name} is encrypted for its row: save the row, not the value alone")

    def from_db_value(
        self, value: str | None, _expression: object, _connection: BaseDatabaseWrapper
    ) -> Sealed | None:
        return None if value is None else Sealed(value)

    def get_lookup(self, lookup: str) -> Any:
        # Each encryption differs, so a comparison would be false without a word.
        return super().get_lookup(lookup) if lookup == "isnull" else self._refuse(lookup)

    def get_transform(self, lookup: str) -> Any:
        return self._refuse(lookup)

    def _refuse(self, lookup: str) -> NoReturn:
        raise FieldError(f"{self.name} is encrypted: only isnull can be asked of it, not {lookup}")
