"""Secrets at rest: AES-256-GCM under the newest of FIELD_ENCRYPTION_KEYS, readable under any.

A stored value is `v1.<key id>.<nonce and ciphertext in base64>`. Why the fingerprint hangs on
the oldest key: docs/decisions/0012-codes-at-rest.md.
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


def encrypt(plain: str) -> str:
    """`plain` under the newest key; different each time."""
    newest = _keys()[0]
    header = f"v1.{newest.id}."
    nonce = os.urandom(_NONCE)
    sealed = newest.cipher.encrypt(nonce, plain.encode(), header.encode())
    return header + base64.urlsafe_b64encode(nonce + sealed).decode()


def decrypt(stored: str) -> str:
    """What was encrypted, under whichever listed key. Raises DecryptionError."""
    header, _, sealed = stored.rpartition(".")
    for key in _keys():
        if header != f"v1.{key.id}":
            continue
        try:
            raw = base64.b64decode(sealed, altchars=b"-_", validate=True)
            plain = key.cipher.decrypt(raw[:_NONCE], raw[_NONCE:], f"{header}.".encode())
        except (InvalidTag, binascii.Error, ValueError):
            raise DecryptionError("the stored value has been changed") from None
        return plain.decode()
    raise DecryptionError("no key of FIELD_ENCRYPTION_KEYS wrote this value")


def fingerprint(plain: str) -> str:
    """The same for the same text, to keep secrets unique without reading them; 73 characters.

    It stays the same while keys are added in front, since it hangs on the oldest. Its first
    eight characters name that key.
    """
    oldest = _keys()[-1]
    return f"{oldest.id}.{hmac.new(oldest.fingerprint, plain.encode(), hashlib.sha256).hexdigest()}"


class EncryptedTextField(_TextField):
    """Text that only this process can read. None stays NULL; "" is encrypted like any text.

    Reading a value that was tampered with raises DecryptionError.
    """

    def get_prep_value(self, value: Any) -> Any:
        plain = super().get_prep_value(value)
        return encrypt(plain) if isinstance(plain, str) else plain

    def from_db_value(
        self, value: str | None, _expression: object, _connection: BaseDatabaseWrapper
    ) -> str | None:
        return None if value is None else decrypt(value)

    def get_lookup(self, lookup: str) -> Any:
        # Each encryption differs, so a comparison would be false without a word.
        return super().get_lookup(lookup) if lookup == "isnull" else self._refuse(lookup)

    def get_transform(self, lookup: str) -> Any:
        return self._refuse(lookup)

    def _refuse(self, lookup: str) -> NoReturn:
        raise FieldError(f"{self.name} is encrypted: only isnull can be asked of it, not {lookup}")
