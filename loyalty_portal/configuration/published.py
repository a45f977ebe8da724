"""Digests of all secrets that are published in this repository. Production refuses them.

`tests/house/test_published_secrets.py` searches the whole repository and names secrets that are
missing here.
"""

import hashlib

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

_DIGESTS = frozenset(
    {
        "01cd0823a29a57ec292aeffb78ffa95a",
        "07c63ccb2bb227051768d9df369926a7",
        "0be64ae89ddd24e225434de95d501711",
        "0d4682885c43e8b9a896b894a6f81e1a",
        "0f007385b6f9d4b7eeb2748605afe1a9",
        "2846c95435b36bc279711a68a989ede4",
        "3058a658a24ff03cc305219c01c0d462",
        "30c952fab122c3f9759f02a6d95c3758",
        "30d2a1112f6b7e093220327aa23599c9",
        "3e24ef8117891bb64c6f4afd51cc7d2c",
        "3e2da16f2dfb3ea263af9615efc37558",
        "5cd9c28840f38a49e9e475d53a76a9d8",
        "5da334f23e09685c1ed66230c0589301",
        "5e5bda1030db3b8c0438c78ae5df5dfd",
        "5e884898da28047151d0e56f8dc62927",
        "62624c67e09f63aa60e10b01f19ffec7",
        "69d649e13badf6dfb7bb55b49f4eec8b",
        "6b944c7cac475bbc0ab1ea2dd777cf42",
        "6dbd0f28d0d97656768b7b4ed96255e6",
        "7387c8acc99af4cf9b2e32db723f71ba",
        "78efafcde3f716208b7cec102158bf59",
        "7f3078bd7e543541f27e13b6a7d585b0",
        "84983c60f7daadc1cb8698621f802c0d",
        "8810ad581e59f2bc3928b261707a7130",
        "8be5d113c0871ce1a122d68a7dff940a",
        "92f1ff41ee9d5b030681c471fc74b526",
        "9698b28eb49baec508b71b8b7b7d96b9",
        "98c1eb4ee93476743763878fcb96a25f",
        "9b828d53402d6e332ef05a2fe03063b3",
        "a525f6da0872e71ddd0102c9fec77d5b",
        "ae448ac86c4e8e4dec645729708ef418",
        "b5a3f33fc0124a41e805f3342a0cfbfc",
        "b65ddaa75b1fb0be6e31879baa7ae87c",
        "b89f8fc9aafa3fa4e18ea2d97ace3501",
        "c4bbcb1fbec99d65bf59d85c8cb62ee2",
        "ca978112ca1bbdcafac231b39a23dc4d",
        "cc76fbff5741e7cfc14f571ecd292bf6",
        "dc2e3999e6b3e23f3327c0e6cb9a3d6c",
        "dd1185055d4fa2246be9dccd04b52e0c",
        "de023030abce28234620fccfada2183c",
        "e1335adca8e21957513975f7b68eb9d3",
        "e4b3673c2a9de715daee5bf31223e9c8",
        "e65320db87c6713d5c9574379515926c",
        "e6c2449a025a58642a3752dcfe1e18f8",
        "f17215767db31c5af4229f52e8b8992f",
        "f42546d5ecdd452509808b2d6d0413b5",
        "f9b0078b5df596d2ea19010c001bbd00",
        "fbba7b3fd9e816cd547523c73bdb6471",
    }
)


def digest(secret: str) -> str:
    """A digest that is the same for all spellings of a key, such as with or without whsec_."""
    plain = secret.strip().removeprefix("whsec_").rstrip("=").replace("-", "+").replace("_", "/")
    return hashlib.sha256(plain.encode()).hexdigest()[:32]


def is_published(secret: str) -> bool:
    return digest(secret) in _DIGESTS


class NotPublishedValidator:
    """Refuses passwords that occur in our own examples and tests."""

    def validate(self, password: str, user: object = None) -> None:  # noqa: ARG002 - Django's own
        if is_published(password):
            raise ValidationError(
                _("This password is published in the portal's documentation. Choose another."),
                code="password_published",
            )

    def get_help_text(self) -> str:
        return str(_("Your password can't be one of the portal's own examples."))
