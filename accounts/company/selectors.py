"""Reads what owners see of the API keys of their company."""

from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import ApiKey, ApiKeyQuerySet, Company, Scope
from accounts.selectors import told_as

ENDED_SHOWN = 20  # keys that ended, the newest
SOON = 30  # days before a key expires, from when it is told


@dataclass(frozen=True, slots=True)
class KeyShown:
    """A key as its owners see it. `tone`, `icon` and `state` are its status; `is_live`: whether it
    can be rotated and revoked.
    """

    key: ApiKey
    tone: str
    icon: str
    state: str
    is_live: bool
    was_rotated: bool

    @property
    def scopes(self) -> list[Scope]:
        return [Scope(scope) for scope in self.key.scopes]

    @property
    def made_by(self) -> str:
        return told_as(self.key.created_by, self.key.seat.company_id)

    @property
    def revoked_by(self) -> str:
        by = self.key.revoked_by
        return told_as(by, self.key.seat.company_id) if by else ""


def keys_of(company: Company) -> tuple[list[KeyShown], list[KeyShown]]:
    """The live keys of the company and those that ended last, each the newest first."""
    rows = _rows(company)
    live = rows.live()
    ended = rows.exclude(pk__in=live.values("pk"))[:ENDED_SHOWN]
    return [_shown(key) for key in live], [_shown(key) for key in ended]


def key_of(company: Company, key_id: UUID) -> KeyShown | None:
    """One key of the company; None when it has none with this id."""
    key = _rows(company).filter(pk=key_id).first()
    return _shown(key) if key else None


def _rows(company: Company) -> ApiKeyQuerySet:
    rows = ApiKey.objects.filter(seat__company=company)
    return rows.select_related(
        "seat__user", "seat__company", "created_by", "revoked_by", "replaces", "successor"
    )


def _shown(key: ApiKey) -> KeyShown:
    rotated = hasattr(key, "successor")
    tone, icon, state = _state(key, rotated=rotated)
    return KeyShown(key, tone, icon, state, key.is_live, rotated)


def _state(key: ApiKey, *, rotated: bool) -> tuple[str, str, str]:
    if key.revoked_at:
        return "bad", "ban", _("Revoked")
    if not key.is_live:
        return "", "clock", _("Expired")
    if not (key.seat.is_active and key.seat.user.is_active):
        return "warn", "triangle-alert", _("Its seat is switched off")
    days = (key.expires_at - timezone.now()).days
    if rotated:
        return "warn", "clock", _("Replaced, ends soon")
    if days < SOON:
        told = ngettext("Expires in %(days)s day", "Expires in %(days)s days", max(days, 1))
        return "warn", "clock", told % {"days": max(days, 1)}
    return "ok", "circle-check", _("Live")
