"""People, companies and seats."""

from collections.abc import Iterator
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import Group, PermissionsMixin
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVector
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower, Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.history import tracked
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.zones import checked_zone
from loyalty_portal.feed.triggers import noted_for_each, noted_with_changes


class TierLevel(models.TextChoices):
    """A company's level, from lowest to highest. A product may require a minimum."""

    BRONZE = "BRONZE", _("Bronze")
    SILVER = "SILVER", _("Silver")
    GOLD = "GOLD", _("Gold")
    PLATINUM = "PLATINUM", _("Platinum")

    @classmethod
    def up_to(cls, level: str) -> list[str]:
        """The tiers whose products a company of `level` may redeem."""
        return cls.values[: cls.values.index(level) + 1]


class Role(models.TextChoices):
    """What a seat may do. A role includes the rights of the roles after it."""

    OWNER = "owner", _("Owner")
    APPROVER = "approver", _("Approver")
    BUYER = "buyer", _("Buyer")
    VIEWER = "viewer", _("Viewer")


def programme_zone() -> str:
    """The time zone of the programme, which a new company gets."""
    return settings.TIME_ZONE


def languages() -> list[tuple[str, str]]:
    """The codes of the portal's languages, with the name of each in itself."""
    return list(settings.LANGUAGES)


def programme_language() -> str:
    """The language of the programme, which a new company gets."""
    return settings.LANGUAGE_CODE


class UserManager(BaseUserManager["User"]):
    """Creates users and finds them by e-mail address, ignoring case."""

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


@tracked(leave_out=["last_login", "sessions_ended"], without_value=["password"])
class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in, by e-mail: an account manager, staff, or both."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(_("e-mail"), max_length=255, unique=True)
    name = models.CharField(_("name"), max_length=255, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("staff"), default=False)
    is_machine = models.BooleanField(
        _("machine"),
        default=False,
        db_default=False,
        editable=False,
        help_text=_("A company’s own system, which calls by API key and never signs in."),
    )
    date_joined = models.DateTimeField(default=timezone.now, editable=False)
    language = models.CharField(
        _("language"),
        max_length=10,
        choices=languages,
        blank=True,
        default="",
        db_default="",
        help_text=_("Empty: pages as the browser asks, letters in the company’s language."),
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        blank=True,
        default="",
        db_default="",
        validators=[checked_zone],
        help_text=_("Empty: the company’s time zone; of staff, the programme’s."),
    )

    sessions_ended = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text=_("How often all sessions of the person were ended at once."),
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    personal_columns = ("email", "name")

    objects: ClassVar[UserManager] = UserManager()

    # SeatsBackend fills this: it reads a user and the user's seats in one query.
    loaded_seats: "list[AccountManager] | None" = None
    # And this, once for each request.
    permissions_held: set[str] | None = None

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        permissions = [
            ("manage_staff", "Can make staff, and put them into staff groups"),
            ("send_reset", "Can have a letter sent with which a person chooses a new password"),
            ("remove_factors", "Can remove the second factor that a person has lost"),
        ]
        triggers = [
            noted_for_each(
                "seats",
                rows="SELECT id, company_id FROM account_manager WHERE user_id = NEW.id",
                when_changed="is_active",
            )
        ]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_any_case_unique"),
            models.CheckConstraint(
                condition=models.Q(is_machine=False) | models.Q(is_staff=False, is_superuser=False),
                name="machine_is_no_staff",
            ),
        ]
        indexes = [
            models.Index(OpClass(Upper("email"), "text_pattern_ops"), name="user_email_begins"),
            GinIndex(SearchVector("name", config="simple"), name="user_words"),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name.split(" ")[0] if self.name else self.email

    def get_session_auth_hash(self) -> str:
        return self._of_now(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        return map(self._of_now, super().get_session_auth_fallback_hash())

    def _of_now(self, session_hash: str) -> str:
        """The hash that a session must hold: another one after all sessions were ended."""
        return f"{session_hash}.{self.sessions_ended}" if self.sessions_ended else session_hash


# What somebody may do is history too: Django's own tables of it are tracked through these proxies.


@tracked()
class StaffGroup(Group):
    """A group of staff."""

    seen_with = "auth.view_group"

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("staff group")
        verbose_name_plural = _("staff groups")


@tracked()
class GroupMember(User.groups.through):  # type: ignore[name-defined,misc]
    """That a person is in a group."""

    seen_with = "accounts.view_user"

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("member of a group")
        verbose_name_plural = _("members of groups")


@tracked()
class GroupPermission(Group.permissions.through):  # type: ignore[name-defined,misc]
    """That a group has a permission."""

    seen_with = "auth.view_group"

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("permission of a group")
        verbose_name_plural = _("permissions of groups")


@tracked()
class PersonPermission(User.user_permissions.through):  # type: ignore[name-defined,misc]
    """That a person has a permission of their own."""

    seen_with = "accounts.view_user"

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("permission of a person")
        verbose_name_plural = _("permissions of persons")


@tracked()
class Company(models.Model):
    """A client company. Its points are held at the Loyalty Points API."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=255)
    loyalty_account_id = models.CharField(_("loyalty account"), max_length=100, unique=True)
    tier_level = models.CharField(
        _("tier"), max_length=50, choices=TierLevel.choices, default=TierLevel.BRONZE
    )
    approval_threshold = models.PositiveIntegerField(
        _("approval threshold"),
        null=True,
        blank=True,
        help_text=_("Orders above this number of points need approval. Empty: no order does."),
    )
    quarterly_budget = models.PositiveBigIntegerField(
        _("budget of a quarter"),
        null=True,
        blank=True,
        help_text=_("Points that the company may order in a calendar quarter. Empty: no limit."),
    )
    require_second_factor = models.BooleanField(
        _("second step to sign in"),
        default=False,
        db_default=False,
        help_text=_("Nobody acts for the company without one: an app, a passkey."),
    )
    api_rate = models.PositiveIntegerField(
        _("calls of the API a minute"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000)],
        help_text=_("Of all its keys and people together. Empty: what the portal allows each."),
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default=programme_zone,
        db_default="UTC",
        validators=[checked_zone],
        help_text=_("A line with a date is sent at nine in the morning of that day in this zone."),
    )
    language = models.CharField(
        _("language"),
        max_length=10,
        choices=languages,
        default=programme_language,
        db_default="en",
        help_text=_("Of letters to people of the company who have chosen none."),
    )
    sender_name = models.CharField(
        _("sender of messages"),
        max_length=100,
        blank=True,
        default="",
        db_default="",
        help_text=_("Stands below messages to recipients. Empty: the company’s name."),
    )
    text_messages = models.BooleanField(
        _("text messages"),
        default=False,
        db_default=False,
        help_text=_("Its people get text messages about orders too, if they give a number."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    awaits_account_check = models.BooleanField(
        _("loyalty account not checked"),
        default=False,
        db_default=False,
        help_text=_("The Loyalty Points API did not answer yet whether it knows the account."),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "company"
        verbose_name = _("company")
        verbose_name_plural = _("companies")
        ordering = ["name"]
        indexes = [
            GinIndex(SearchVector("name", config="simple"), name="company_words"),
            models.Index(fields=["name", "id"], name="company_by_name"),
            models.Index(Upper("name"), name="company_any_case"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(tier_level__in=TierLevel.values), name="company_tier_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(is_active=True, awaits_account_check=True),
                name="company_opens_after_the_check",
            ),
            models.CheckConstraint(
                condition=models.Q(api_rate=None) | models.Q(api_rate__gte=1),
                name="company_may_call_at_all",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SeatQuerySet(models.QuerySet["AccountManager"]):
    """Query methods for seats."""

    def usable(self) -> "SeatQuerySet":
        """Seats that may act now: the seat, its user and its company are all active."""
        return self.filter(is_active=True, user__is_active=True, company__is_active=True)


@tracked()
class AccountManager(models.Model):
    """A user's seat in one company; e-mail and name are the user's."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    company = models.ForeignKey(Company, models.PROTECT, related_name="seats")
    user = models.ForeignKey(User, models.PROTECT, related_name="seats")
    role = models.CharField(_("role"), max_length=50, choices=Role.choices, default=Role.BUYER)
    monthly_limit = models.PositiveBigIntegerField(
        _("limit of a month"),
        null=True,
        blank=True,
        help_text=_("Points that the seat may order in a calendar month. Empty: no limit."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SeatQuerySet.as_manager()

    class Meta:
        db_table = "account_manager"
        verbose_name = _("account manager")
        verbose_name_plural = _("account managers")
        permissions = [
            ("switch_seats", "Can switch seats of companies off and on"),
        ]
        ordering = ["company__name", "user__email"]
        triggers = noted_with_changes("seats", company="NEW.company_id", of=["role", "is_active"])
        constraints = [
            models.UniqueConstraint("company", "user", name="seat_once_per_company"),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="seat_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.company}"

    @property
    def is_usable(self) -> bool:
        """Whether the seat may act now, as SeatQuerySet.usable asks the database."""
        return self.is_active and self.user.is_active and self.company.is_active

    @property
    def email(self) -> str:
        return self.user.email

    @property
    def name(self) -> str:
        return self.user.name

    @property
    def signature(self) -> str:
        """Who a message to a recipient is from: person and company; of a key the company."""
        company = self.company.sender_name or self.company.name
        return ", ".join([*([] if self.user.is_machine else [self.name]), company])
