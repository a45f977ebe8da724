"""Encrypts secrets at rest with AES-256-GCM. The newest of FIELD_ENCRYPTION_KEYS encrypts.

Any listed key decrypts. A stored value is `v2.<key id>.<nonce and ciphertext in base64>`. It is
bound to its table, column and row, and cannot be decrypted elsewhere. The old format `v1` was not
bound; it is readable until `rotate_keys` has replaced it. docs/decisions/0012-codes-at-rest.md
explains the fingerprints.
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

_NONCE = 12  # bytes, as AES-GCM defines


class DecryptionError(Exception):
    """The value was changed or moved, or its key is not in FIELD_ENCRYPTION_KEYS."""


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
    """The id of the key that encrypts."""
    return _keys()[0].id


def listed_keys() -> list[str]:
    """The ids of all keys that can decrypt, newest first."""
    return [key.id for key in _keys()]


def sealed_with(key_id: str) -> str:
    """The prefix of values in the format v2 that this key encrypted."""
    return f"v2.{key_id}."


def encrypt(plain: str, *, place: str) -> str:
    """Encrypt `plain` with the newest key for `place`. The result differs each time."""
    newest = _keys()[0]
    header = sealed_with(newest.id)
    nonce = os.urandom(_NONCE)
    sealed = newest.cipher.encrypt(nonce, plain.encode(), (header + place).encode())
    return header + base64.urlsafe_b64encode(nonce + sealed).decode()


def decrypt(stored: str, *, place: str) -> str:
    """Decrypt a value that was encrypted for `place`. Raises DecryptionError."""
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
    """Keyed hashes of a secret, one for each listed key, newest first.

    They find equal secrets without decrypting. Each has 73 characters, of which the first eight
    name the key. The newest is stored; a search must look for all of them.
    """
    return [
        f"{key.id}.{hmac.new(key.fingerprint, plain.encode(), hashlib.sha256).hexdigest()}"
        for key in _keys()
    ]


def fingerprint(plain: str) -> str:
    """The fingerprint to store, made with the newest key."""
    return fingerprints(plain)[0]


class Fingerprinted:
    """A model whose column `fingerprint` holds the fingerprint of `secret()`."""

    fingerprint: str

    def secret(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Sealed:
    """A stored value with its place, not yet decrypted."""

    stored: str = field(repr=False)

    def __str__(self) -> str:
        raise FieldError(
            "an encrypted value is read from its row: not by values() or values_list()"
        )


class _Opening(DeferredAttribute):
    """A descriptor that decrypts on access, because the row's key is not known earlier."""

    field: "EncryptedTextField"

    def __get__(self, row: models.Model | None, cls: type[models.Model] | None = None) -> Any:
        value = super().__get__(row, cls)
        if row is not None and isinstance(value, Sealed):
            value = decrypt(value.stored, place=self.field.place(row))
            row.__dict__[self.field.attname] = value
        return value

    # With `__set__` Python calls `__get__` even if the instance's dict has the value.
    def __set__(self, row: models.Model, value: Any) -> None:
        row.__dict__[self.field.attname] = value


class EncryptedTextField(_TextField):
    """A text column that is stored encrypted, bound to this column and row.

    None is stored as NULL; "" is encrypted like any text. The row's primary key must be known
    before saving, as UUIDs are. Reading a value that was changed, or moved from another row, raises
    DecryptionError.
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
        # Encryption is different each time, so a lookup by value would silently find nothing.
        return super().get_lookup(lookup) if lookup == "isnull" else self._refuse(lookup)

    def get_transform(self, lookup: str) -> Any:
        return self._refuse(lookup)

    def _refuse(self, lookup: str) -> NoReturn:
        raise FieldError(f"{self.name} is encrypted: only isnull can be asked of it, not {lookup}")
