"""The demo's people: client companies with seats and address books, and staff."""

from dataclasses import dataclass
from datetime import timedelta

import pgtrigger
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts.access.factors.kinds import factors_of
from accounts.models import (
    AccountManager,
    Address,
    Company,
    LetterTopic,
    Role,
    TextsTo,
    TierLevel,
    User,
)
from accounts.services import ensure_staff_groups
from catalog.texts.words import slug_of
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.countries import code_of

# What the authenticator app of all staff has, as public as their password.
APP_SECRET = "MERIDIANREWARDSDEMO234567A2B3C4D"  # noqa: S105
PASSWORD = "redeem-demo-2026"  # noqa: S105 - it is printed, and DEBUG must be on
SUPERUSER = ("admin@meridian.example", "Robin Adler")
# Name and group by e-mail. Finance has two people, because two must decide about points.
STAFF = {
    "catalogue@meridian.example": ("Nadia Brandt", "catalogue"),
    "warehouse@meridian.example": ("Sam Okafor", "warehouse"),
    "desk@meridian.example": ("Ines Halloran", "fulfillment"),
    "finance@meridian.example": ("Victor Lang", "finance"),
    "ledger@meridian.example": ("Amara Nwosu", "finance"),
    "support@meridian.example": ("Yuki Tanaka", "support"),
    "audit@meridian.example": ("Greta Sommer", "auditor"),
}


@dataclass(frozen=True, slots=True)
class CompanyData:
    """One client company. `points` is its first balance; `expiring` pairs points with days."""

    name: str
    account_id: str
    tier: TierLevel
    points: int
    people: dict[str, tuple[str, Role]]  # name and role by e-mail
    addresses: tuple[tuple[str, ...], ...]  # each: name, street, postcode, city, country
    threshold: int | None = None
    expiring: tuple[tuple[int, int], ...] = ()
    text_messages: bool = False


# What the loyalty system booked by itself on each account: kind, points, days ago, and what for.
BOOKED = (
    ("earned", 24_000, 80, "Sales, third quarter"),
    ("earned", 31_500, 17, "Sales, October"),
    ("adjusted", -1_500, 12, "Correction of October"),
    ("expired", -6_000, 5, "Points of two years ago"),
)
MARA, PRIYA = "mara@northwind.example", "priya@northwind.example"
COMPANIES = (
    CompanyData(
        name="Northwind Logistics",
        account_id="LP-204-1187",
        tier=TierLevel.GOLD,
        points=3_400_000,
        text_messages=True,
        expiring=((60_000, 38), (145_000, 129)),
        people={
            MARA: ("Mara Lindqvist", Role.OWNER),
            "tomasz@northwind.example": ("Tomasz Zielinski", Role.APPROVER),
            PRIYA: ("Priya Raman", Role.BUYER),
            "jonas@northwind.example": ("Jonas Keller", Role.BUYER),
            "elif@northwind.example": ("Elif Aydin", Role.VIEWER),
        },
        addresses=(
            ("Northwind, reception", "Hafenstraße 112", "20457", "Hamburg", "Germany"),
            ("Northwind, depot south", "Industriering 9", "85764", "Oberschleißheim", "Germany"),
            ("Anneke de Boer", "Prinsengracht 220", "1016 HD", "Amsterdam", "Netherlands"),
            ("Lukas Brunner", "Seestraße 41", "8002", "Zürich", "Switzerland"),
            ("Aylin Demir", "Karl-Marx-Straße 78", "12043", "Berlin", "Germany"),
            ("Pieter Claes", "Kammenstraat 18", "2000", "Antwerpen", "Belgium"),
            ("Hanna Virtanen", "Mannerheimintie 5", "00100", "Helsinki", "Finland"),
        ),
    ),
    CompanyData(
        name="Halden & Moore",
        account_id="LP-204-2265",
        tier=TierLevel.SILVER,
        points=1_900_000,
        threshold=25_000,
        expiring=((22_500, 24),),
        people={
            "claire@haldenmoore.example": ("Claire Moore", Role.OWNER),
            "daniel@haldenmoore.example": ("Daniel Osei", Role.APPROVER),
            "sofia@haldenmoore.example": ("Sofia Marques", Role.BUYER),
            PRIYA: ("Priya Raman", Role.BUYER),
            "felix@haldenmoore.example": ("Felix Hartmann", Role.VIEWER),
        },
        addresses=(
            ("Halden & Moore, front desk", "14 Chancery Row", "EC4A 1BL", "London", "England"),
            ("Halden & Moore, Dublin", "7 Fitzwilliam Lane", "D02 X285", "Dublin", "Ireland"),
            ("Grace Adeyemi", "52 Canonbury Park", "N1 2JU", "London", "England"),
            ("Owen Pritchard", "3 Bute Crescent", "CF10 5AN", "Cardiff", "Wales"),
            ("Isla MacRae", "19 Broughton Street", "EH1 3JU", "Edinburgh", "Scotland"),
        ),
    ),
    CompanyData(
        name="Brightwater Dental",
        account_id="LP-204-3310",
        tier=TierLevel.BRONZE,
        points=900_000,
        people={
            "ruth@brightwater.example": ("Ruth Sandoval", Role.OWNER),
            "marek@brightwater.example": ("Marek Novak", Role.APPROVER),
            "lena@brightwater.example": ("Lena Vogt", Role.BUYER),
            "ben@brightwater.example": ("Ben Achterberg", Role.VIEWER),
        },
        addresses=(
            ("Brightwater Dental, practice", "Mariahilfer Straße 88", "1070", "Wien", "Austria"),
            ("Katharina Pichler", "Linzer Gasse 30", "5020", "Salzburg", "Austria"),
            ("Marek Novak", "Vinohradská 112", "130 00", "Praha", "Czechia"),
        ),
    ),
)


@transaction.atomic
def invite_everybody() -> None:
    """Create staff, companies, seats and address books. `add_superuser` is called at the end."""
    password = make_password(PASSWORD)  # one hash for all people; the password is public
    groups = ensure_staff_groups()
    for email, (name, group) in STAFF.items():
        person = _user(email, name, password, is_staff=True)
        person.groups.add(groups[group])
    for data in COMPANIES:
        company = Company.objects.create(
            name=data.name,
            loyalty_account_id=data.account_id,
            tier_level=data.tier,
            approval_threshold=data.threshold,
            text_messages=data.text_messages,
        )
        for email, (name, role) in data.people.items():
            user = User.objects.filter(email=email).first() or _user(email, name, password)
            AccountManager.objects.create(company=company, user=user, role=role)
        Address.objects.bulk_create(
            Address(
                company=company,
                recipient_name=name,
                address_line1=street,
                postcode=postcode,
                city=city,
                country=code_of(country),
                recipient_email=_mail(name, data),
            )
            for name, street, postcode, city, country in data.addresses
        )
    for number, email in enumerate((MARA, PRIYA), start=1):
        TextsTo.objects.create(
            user=User.objects.get(email=email),
            number=f"+49170000000{number}",
            topics=[LetterTopic.APPROVALS, LetterTopic.POINTS_BACK, LetterTopic.PROGRESS],
        )
    _age()


def _mail(name: str, data: CompanyData) -> str:
    domain = next(iter(data.people)).partition("@")[2]
    return f"{slug_of(name)}@{domain}"


def _user(email: str, name: str, password: str, **more: bool) -> User:
    return User.objects.create(email=email, name=name, password=password, **more)


def _age() -> None:
    """Move the people's creation times more than a year into the past."""
    then = timezone.now() - timedelta(days=460)
    accounts = [data.account_id for data in COMPANIES]
    with pgtrigger.ignore():
        Company.objects.filter(loyalty_account_id__in=accounts).update(created_at=then)
        AccountManager.objects.filter(company__loyalty_account_id__in=accounts).update(
            created_at=then
        )
        User.objects.filter(seats__company__loyalty_account_id__in=accounts).update(
            date_joined=then
        )


def add_superuser() -> None:
    """Create the superuser, which marks the demo as complete (`is_seeded`)."""
    email, name = SUPERUSER
    User.objects.create_superuser(email, PASSWORD, name=name)


def give_apps() -> None:
    """Give staff who have none an authenticator app with APP_SECRET. An earlier version of the demo
    may have made them without one.
    """
    for person in User.objects.filter(email__in=[*STAFF, SUPERUSER[0]]):
        if not factors_of(person):
            TOTP.activate(person, APP_SECRET)


def staff(group: str) -> list[Actor]:
    """The members of a staff group."""
    emails = [email for email, (_name, theirs) in STAFF.items() if theirs == group]
    return [Actor.person(User.objects.get(email=email)) for email in emails]


def sign_ins() -> list[tuple[str, str, str]]:
    """The sign-ins of the existing demo, which an earlier version may have seeded.

    Each has an e-mail address, a name, and what it is for.
    """
    seats: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for company in COMPANIES:
        for email, (name, role) in company.people.items():
            names[email] = name
            seats.setdefault(email, []).append(f"{company.name}: {role.value}")
    rows = [(email, names[email], ", ".join(what)) for email, what in seats.items()]
    rows += [(email, name, f"staff: {group}") for email, (name, group) in STAFF.items()]
    rows.append((*SUPERUSER, "staff: superuser, everything"))
    there = set(User.objects.values_list("email", flat=True))
    return [row for row in rows if row[0] in there]
