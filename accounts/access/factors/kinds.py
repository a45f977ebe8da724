"""The factors of people besides their password: which there are, and how their secrets are kept.

allauth keeps them in its table of authenticators. FactorAdapter encrypts the secrets in it with the
keys of all other secrets, so `rotate_keys` turns them too.
"""

from io import BytesIO
from typing import Any

import segno
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from accounts.models import User
from loyalty_portal.configuration import brand
from loyalty_portal.data.encrypted_field import decrypt, encrypt

APP, PASSKEY = Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN
RECOVERY_CODES = Authenticator.Type.RECOVERY_CODES
# What counts as a second factor. Recovery codes stand in for one of these, and never alone.
COUNT = (APP, PASSKEY)
PLACE = "mfa_authenticator data"  # what the secrets are bound to (data/encrypted_field.py)


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc] # allauth carries no types
    """Customizes allauth's second factor."""

    def encrypt(self, text: str) -> str:
        return encrypt(text, place=PLACE)

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt(encrypted_text, place=PLACE)

    def build_totp_svg(self, url: str) -> str:
        """The QR code that an authenticator app reads. White around it, also in the dark."""
        picture = BytesIO()
        segno.make(url, micro=False).save(picture, kind="svg", scale=4, light="#fff", xmldecl=False)
        return picture.getvalue().decode()

    def generate_authenticator_name(self, user: User, type: Any) -> str:  # noqa: A002 - allauth's
        """The name of a passkey to which its person gives none."""
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return _("Passkey %(number)s") % {"number": number}

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        entity: dict[str, str] = super().get_public_key_credential_rp_entity()
        return {**entity, "name": brand.current().name}


def has_factor(person: str) -> Exists:
    """For an annotation: whether the person in this column has a factor that counts."""
    return Exists(Authenticator.objects.filter(user=OuterRef(person), type__in=COUNT))


def factors_of(person: User) -> list[Any]:
    """The factors that count, the oldest first; recovery codes are not among them."""
    return list(Authenticator.objects.filter(user=person, type__in=COUNT).order_by("pk"))
