"""Admin pages of companies, seats, addresses, users and staff groups."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ChoiceField
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.backoffice.admin_addresses import AddressAdmin, AddressInline
from accounts.backoffice.admin_companies import Onboarding
from accounts.backoffice.admin_invitations import InvitationAdmin
from accounts.backoffice.admin_keys import ApiKeyAdmin
from accounts.backoffice.admin_letters import PersonLetterAdmin
from accounts.backoffice.admin_people import Resetting
from accounts.backoffice.admin_seats import SeatAdmin, on_or_off
from accounts.backoffice.finding import companies_found, people_found
from accounts.forms import StaffUserChangeForm, StaffUserCreationForm
from accounts.invitations.members import spending_of
from accounts.models import (
    AccountManager,
    Address,
    ApiKey,
    Company,
    Invitation,
    PersonLetter,
    User,
)
from accounts.permissions import may_change_person, may_give_access, may_manage_staff
from accounts.seats.see_as.views import choose_seat_to_see
from accounts.seats.services import SeatChange, give_seat, tell_of_person
from accounts.services import STAFF_GROUPS
from accounts.tasks import send_letters_of
from loyalty_portal.admin_site.base import (
    Choosing,
    PortalAdmin,
    TabularInline,
    badge,
)
from loyalty_portal.admin_site.counts import told
from loyalty_portal.admin_site.found import Branch, number_of
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.zones import zone_names


class SeatInline(Choosing[AccountManager], TabularInline[AccountManager, Company]):
    """The seats of a company. They are added here, and changed on their own pages, which tell the
    owners why. None is deleted, because orders name them.
    """

    model = AccountManager
    extra = 0
    fields = ["user", "role", "state", "this_month"]
    readonly_fields = ["state", "this_month"]
    autocomplete_fields = ["user"]
    can_delete = False
    show_change_link = True
    used: Mapping[UUID, int] = {}  # points of this month, by seat

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("state"))
    def state(self, seat: AccountManager) -> SafeString:
        return on_or_off(on=seat.is_active)

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Read once what all seats of the company ordered in this month."""
        self.used = spending_of(obj).by_seat if obj else {}
        return super().get_formset(request, obj, **kwargs)

    @admin.display(description=_("this month, of its limit"))
    def this_month(self, seat: AccountManager) -> str:
        used = grouped(self.used.get(seat.pk, 0))
        limit = seat.monthly_limit
        if limit is None:
            return gettext("%(used)s points") % {"used": used}
        left = max(0, limit - self.used.get(seat.pk, 0))
        told = gettext("%(used)s of %(limit)s points, %(left)s left")
        return told % {"used": used, "limit": grouped(limit), "left": grouped(left)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[AccountManager]:
        return super().get_queryset(request).select_related("user", "company")

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Give each field an aria-label: fields in a table have no label for screen readers."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field:
            field.widget.attrs.setdefault("aria-label", field.label)
        return field


def _zone(column: Any) -> ChoiceField | None:
    """The form field for a `time_zone` column, a list of the known zones; None for any other."""
    if column.name != "time_zone":
        return None
    names = ["", *zone_names()] if column.blank else zone_names()
    return ChoiceField(
        label=_("Time zone"),
        required=not column.blank,
        choices=[(name, name or "–") for name in names],
        initial=column.default,
        help_text=column.help_text,
        widget=UnfoldAdminSelectWidget,
    )


@admin.register(Company)
class CompanyAdmin(Onboarding):
    """Admin pages of client companies, with their tier and last known balance."""

    list_display = ["name", "loyalty_account_id", "tier", "seat_count", "balance", "state"]
    list_filter = ["tier_level", "is_active"]
    search_fields = ["name"]
    search_help_text = _("Name or loyalty account")
    sortable_by = ["name"]
    ordering = ["name", "id"]
    inlines = [SeatInline, AddressInline]
    fieldsets = [
        (None, {"fields": [("name", "is_active"), ("loyalty_account_id", "tier_level")]}),
        (_("Approval"), {"fields": [("approval_threshold", "quarterly_budget")]}),
        (_("Signing in"), {"fields": ["require_second_factor"]}),
        (_("API"), {"fields": ["api_rate"]}),
        (_("Place"), {"fields": [("language", "time_zone"), "sender_name", "text_messages"]}),
        (_("Record"), {"fields": [("created_at", "updated_at"), "balance"]}),
    ]
    readonly_fields = ["created_at", "updated_at", "balance"]
    change_form_before_template = "admin/accounts/_company_links.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the page that lists whose portal may be seen."""
        choose = self.admin_site.admin_view(choose_seat_to_see)
        address = path("<uuid:object_id>/see-as/", choose, name="accounts_see_as_choose")
        return [address, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Company]:
        seats = number_of(AccountManager.objects.filter(is_active=True), "company")
        return (
            super().get_queryset(request).select_related("known_balance").annotate(seat_total=seats)
        )

    def found_by(self, term: str) -> Sequence[Branch]:
        return companies_found(term)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return _zone(db_field) or super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Company | None = None) -> list[str]:
        """Make the loyalty account read-only once it was checked: credits go to this account. Until
        then the company cannot be switched on.
        """
        waits = obj is not None and obj.awaits_account_check
        return [*self.readonly_fields, "is_active" if waits else "loyalty_account_id"]

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Have the service write new seats, so that the owners are told."""
        if formset.model is not AccountManager:
            super().save_formset(request, form, formset, change)
            return
        made = formset.save(commit=False)
        for seat in made:
            give_seat(company=seat.company, user=seat.user, role=seat.role, by=actor_of(request))
        send_letters_of(form.instance.pk)

    @admin.display(description=_("tier"))
    def tier(self, company: Company) -> str:
        return str(company.get_tier_level_display())

    @admin.display(description=_("seats"))
    def seat_count(self, company: Company) -> str:
        return told(getattr(company, "seat_total", 0))

    @admin.display(description=_("last known balance"))
    def balance(self, company: Company) -> SafeString:
        known = getattr(company, "known_balance", None)
        if known is None:
            return badge("quiet", _("Not asked yet"))
        age = gettext("%(time)s ago") % {"time": timesince(known.as_of)}
        return format_html(
            '<span class="figure" title="{}">{}</span>',
            age,
            gettext("%(points)s points") % {"points": grouped(known.points)},
        )

    @admin.display(description=_("state"))
    def state(self, company: Company) -> SafeString:
        return on_or_off(on=company.is_active)


@admin.register(User)
class UserAdmin(Resetting, DjangoUserAdmin[User]):
    """Admin pages of users. Who may change whom is in permissions.py."""

    form = StaffUserChangeForm
    add_form = StaffUserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["email", "name", "seat_count", "kind", "state", "last_login"]
    list_filter = ["is_active", "is_staff", "groups"]
    search_fields = ["email"]
    search_help_text = _("Name or e-mail")
    sortable_by = ["email"]
    ordering = ["email"]
    filter_horizontal: ClassVar[list[str]] = []
    change_form_before_template = "admin/accounts/_user_links.html"
    fieldsets = [
        (None, {"fields": ["email", "name", "password_set"]}),
        (_("Reads in"), {"fields": [("language", "time_zone")]}),
        (_("Access"), {"fields": ["is_active", "is_staff", "is_superuser", "groups"]}),
        (_("Record"), {"fields": [("date_joined", "last_login")]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name", "password1", "password2"]})]
    readonly_fields = ["date_joined", "last_login", "password_set", "password_state"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        seats = number_of(AccountManager.objects.all(), "user")
        return super().get_queryset(request).annotate(seat_total=seats)

    def found_by(self, term: str) -> Sequence[Branch]:
        return people_found(term)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), *_locked(actor_of(request), obj)]

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Offer the link to the password's page to superusers only, who alone may open it."""
        shown = super().get_fieldsets(request, obj)
        if obj is None or request.user.is_superuser:
            return shown
        fields = [
            name if name != "password_set" else "password_state" for name in shown[0][1]["fields"]
        ]
        return [(shown[0][0], {"fields": fields}), *shown[1:]]

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return _zone(db_field) or super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer those who are no superuser our staff groups only: another may hold more."""
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field and db_field.name == "groups" and not request.user.is_superuser:
            field.queryset = Group.objects.filter(name__in=STAFF_GROUPS)
        return field

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or may_change_person(actor_of(request), obj))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the groups too, and write into the trail what the person may do since."""
        person, before = form.instance, set(form.instance.groups.all())
        super().save_related(request, form, formsets, change)
        after = set(person.groups.all())
        switched = {"is_active", "is_staff", "is_superuser"} & set(form.changed_data)
        if before != after or switched:
            facts: dict[str, Any] = {name: getattr(person, name) for name in sorted(switched)}
            facts["added"] = sorted(group.name for group in after - before)
            facts["removed"] = sorted(group.name for group in before - after)
            by = actor_of(request)
            record(TrailKind.ACCESS_CHANGED, by=by, about=person, facts=facts)
        if "is_staff" in switched and person.is_staff:
            _tell_owners(request, person, SeatChange.STAFF)
        if "email" in form.changed_data and change:
            old = form.initial["email"]
            _tell_owners(request, person, SeatChange.ADDRESS, before=old, also=[old])

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:  # noqa: A002 - Django's name
        """Refuse everybody but superusers: who sets a password can sign in as that person."""
        if not request.user.is_superuser:
            raise PermissionDenied(
                gettext(
                    "Only a superuser sets somebody's password. People choose their own with "
                    "“Forgotten your password?” on the sign-in page."
                )
            )
        with transaction.atomic():
            answer = super().user_change_password(request, id, form_url)
            if request.method == "POST" and answer.status_code == 302:
                person = User.objects.get(pk=id)
                record(TrailKind.PASSWORD_CHANGED, by=actor_of(request), about=person)
                _tell_owners(request, person, SeatChange.PASSWORD, also=[person.email])
        return answer

    @admin.display(description=_("seats"))
    def seat_count(self, user: User) -> str:
        return told(getattr(user, "seat_total", 0))

    @admin.display(description=_("password"))
    def password_set(self, user: User) -> SafeString:
        """Show whether a password is set, with a link to change it. Shows no part of the hash."""
        link = '{} · <a class="link" href="../password/">{}</a>'
        return format_html(link, self.password_state(user), _("Change it"))

    @admin.display(description=_("password"))
    def password_state(self, user: User) -> str:
        return gettext("Set") if user.has_usable_password() else pgettext("password", "None")

    @admin.display(description=_("kind"))
    def kind(self, user: User) -> SafeString:
        if user.is_superuser:
            return badge("warn", _("Superuser"), icon="shield_person")
        if user.is_staff:
            return badge("live", _("Staff"), icon="badge")
        if user.is_machine:
            return badge("quiet", _("Machine"), icon="key")
        return badge("quiet", _("Account manager"), icon="person")

    @admin.display(description=_("state"))
    def state(self, user: User) -> SafeString:
        return on_or_off(on=user.is_active)


admin.site.register(AccountManager, SeatAdmin)
admin.site.register(Address, AddressAdmin)
admin.site.register(ApiKey, ApiKeyAdmin)
admin.site.register(Invitation, InvitationAdmin)
admin.site.register(PersonLetter, PersonLetterAdmin)
admin.site.unregister(Group)
# allauth's list of e-mail addresses would duplicate the address on the user's page.
admin.site.unregister(EmailAddress)
# Nobody adds or changes somebody's second factor; `Resetting` removes one that was lost.
admin.site.unregister(Authenticator)


@admin.register(Group)
class GroupAdmin(PortalAdmin[Group], DjangoGroupAdmin):
    """Admin pages of staff groups. `manage.py staff_groups` resets the ones that we ship."""

    list_display = ["name", "people"]
    search_fields = ["name"]
    sortable_by = ["name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        people = number_of(User.groups.through._default_manager.all(), "group")  # noqa: SLF001 - public
        return super().get_queryset(request).annotate(people_total=people)

    @admin.display(description=_("people"))
    def people(self, group: Group) -> str:
        return told(getattr(group, "people_total", 0))


def _tell_owners(request: HttpRequest, person: User, change: SeatChange, **more: Any) -> None:
    """Tell the owners of the person's companies, and send these letters on their way."""
    tell_of_person(person=person, change=change, by=actor_of(request), **more)
    for company in person.seats.values_list("company", flat=True):
        send_letters_of(company)


def _locked(actor: Actor, person: User | None) -> list[str]:
    """The columns of a person that the actor may not change."""
    if actor.is_superuser or person is None:
        return []
    # Whoever can change the address of staff can have a new password sent to an address of theirs.
    address = ["email"] if person.is_staff else []
    if not may_manage_staff(actor):
        return [*address, "is_staff", "is_superuser", "groups"]
    if not may_give_access(actor, person):
        return [*address, "is_active", "is_staff", "is_superuser", "groups"]
    return [*address, "is_superuser"]
