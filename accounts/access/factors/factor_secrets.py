"""The secrets of people's factors, for `rotate_keys` (loyalty_portal/data/key_rotation.py)."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import Q

from accounts.access.factors.kinds import PLACE
from loyalty_portal.data.encrypted_field import (
    DecryptionError,
    decrypt,
    encrypt,
    newest_key,
    sealed_with,
)

NAMES = ("secret", "seed")  # of an app, and of recovery codes, in the row's data


class FactorSecrets:
    """The secrets in allauth's table of authenticators."""

    table = Authenticator._meta.db_table

    def behind(self) -> list[Any]:
        newest, old = sealed_with(newest_key()), Q()
        for name in NAMES:
            old |= Q(data__has_key=name) & ~Q(**{f"data__{name}__startswith": newest})
        return list(Authenticator.objects.filter(old).order_by("pk").values_list("pk", flat=True))

    def uses(self, key: str) -> bool:
        under = Q()
        for name in NAMES:
            under |= Q(**{f"data__{name}__startswith": sealed_with(key)})
        return bool(Authenticator.objects.filter(under).exists())

    @transaction.atomic
    def turn(self, keys: list[Any]) -> list[str]:
        wrong = []
        rows = Authenticator.objects.select_for_update(no_key=True).filter(pk__in=keys)
        for row in rows.order_by("pk"):
            try:
                for name in NAMES:
                    if name in row.data:
                        row.data[name] = encrypt(decrypt(row.data[name], place=PLACE), place=PLACE)
            except DecryptionError as error:
                wrong.append(f"{self.table} {row.pk}: {error}")
            else:
                row.save(update_fields=["data"])
        return wrong
