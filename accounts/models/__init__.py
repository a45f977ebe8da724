"""People, companies, seats, invitations, API keys, and the letters about them."""

from accounts.models.addresses import Address
from accounts.models.balances import KnownBalance
from accounts.models.calls import KeyedApiCall
from accounts.models.joining import (
    Invitation,
    InvitationEnd,
    InvitationQuerySet,
    PersonLetter,
    PersonLetterKind,
    hashed,
)
from accounts.models.keys import ApiKey, ApiKeyQuerySet, Scope, hashed_key
from accounts.models.ledger import LedgerRead, PartnersBooking, PartnersKind
from accounts.models.letter_choices import (
    COPIED,
    CopyTo,
    LetterCopy,
    LetterOff,
    LetterTopic,
    TextsTo,
)
from accounts.models.people import (
    AccountManager,
    Company,
    GroupMember,
    GroupPermission,
    PersonPermission,
    Role,
    SeatQuerySet,
    StaffGroup,
    TierLevel,
    User,
    UserManager,
    languages,
    programme_language,
    programme_zone,
)
from accounts.models.sessions import PersonSession
from accounts.models.stand_ins import StandIn, StandInQuerySet
from accounts.models.viewings import Viewing

__all__ = [
    "COPIED",
    "AccountManager",
    "Address",
    "ApiKey",
    "ApiKeyQuerySet",
    "Company",
    "CopyTo",
    "GroupMember",
    "GroupPermission",
    "Invitation",
    "InvitationEnd",
    "InvitationQuerySet",
    "KeyedApiCall",
    "KnownBalance",
    "LedgerRead",
    "LetterCopy",
    "LetterOff",
    "LetterTopic",
    "PartnersBooking",
    "PartnersKind",
    "PersonLetter",
    "PersonLetterKind",
    "PersonPermission",
    "PersonSession",
    "Role",
    "Scope",
    "SeatQuerySet",
    "StaffGroup",
    "StandIn",
    "StandInQuerySet",
    "TextsTo",
    "TierLevel",
    "User",
    "UserManager",
    "Viewing",
    "hashed",
    "hashed_key",
    "languages",
    "programme_language",
    "programme_zone",
]
