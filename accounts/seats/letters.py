"""Letters to people about seats, invitations and API keys: writes them as rows, sends each once."""

import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import (
    AccountManager,
    Company,
    Invitation,
    PersonLetter,
    PersonLetterKind,
    Role,
    User,
)
from accounts.models.readers import reader_of
from accounts.seats.rules_told import rule_changed
from accounts.selectors import told_as
from loyalty_portal.configuration import brand
from loyalty_portal.data.texts import mail
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.texts.times import exact
from loyalty_portal.metrics.figures import sent

logger = logging.getLogger(__name__)

LEASE = 60.0  # seconds; longer than EMAIL_TIMEOUT


def write_invitation(invitation: Invitation, token: str) -> None:
    """Write the letter with the link. The token is kept, encrypted, until it was sent."""
    PersonLetter(
        company_id=invitation.company_id,
        invitation=invitation,
        kind=PersonLetterKind.INVITATION,
        to=invitation.email,
        secret=token,
    ).save(force_insert=True)


def write_news(
    kind: PersonLetterKind, *, company_id: uuid.UUID, to: Iterable[str], facts: dict[str, Any]
) -> None:
    """Write one letter of this kind to each of these addresses about what changed (`facts`)."""
    PersonLetter.objects.bulk_create(
        PersonLetter(company_id=company_id, kind=kind, to=address, facts=facts)
        for address in sorted(to)
    )


def write_access(person: User, facts: dict[str, Any]) -> None:
    """Write the letter to a person about how they sign in (`facts`: accounts/access)."""
    seat = AccountManager.objects.usable().filter(user=person).order_by("id").first()
    PersonLetter(
        company_id=seat.company_id if seat else None,
        kind=PersonLetterKind.ACCESS,
        to=person.email,
        facts=facts,
    ).save(force_insert=True)


def send_letter(letter_id: uuid.UUID) -> bool:
    """Send one due letter. Returns False when it is not due or another process sends it.

    If a process dies between sending and recording, the letter is sent again with the same
    Message-ID, which lets mail programs drop the copy.
    """
    token = PersonLetter.objects.lease(letter_id, seconds=LEASE)
    if token is None:
        return False
    letter = PersonLetter.objects.select_related("company", "invitation__by").get(pk=letter_id)
    end: dict[str, Any] = {"secret": None}
    if letter.invitation and not letter.invitation.is_open:
        PersonLetter.objects.release(letter_id, token, retry_in=None, problem="Not needed", **end)
        return True
    problem = mail.sent(compose(letter))
    sent("letter to a person", problem)
    if problem:
        logger.warning("letter %s could not be sent: %s", letter_id, problem)
        retry = mail.next_try_in(letter.attempts)
        PersonLetter.objects.release(letter_id, token, retry_in=retry, problem=problem)
        return True
    end |= {"sent_at": timezone.now(), "problem": ""}
    PersonLetter.objects.release(letter_id, token, retry_in=None, **end)
    return True


def compose(letter: PersonLetter) -> EmailMultiAlternatives:
    """The e-mail in its reader's language and time zone."""
    person = User.objects.filter(email__iexact=letter.to).first()
    with reader_of(person, letter.company).reading():
        return _composed(letter)


def _composed(letter: PersonLetter) -> EmailMultiAlternatives:
    """The e-mail, from templates/accounts/email/<kind>.{subject.txt,txt,html}."""
    facts: dict[str, Any] = {
        "letter": letter,
        "company": letter.company,
        "brand": brand.current(),
        "portal_url": settings.PORTAL_URL,
    }
    facts |= _FACTS[PersonLetterKind(letter.kind)](letter)
    template, name = f"accounts/email/{letter.kind}", f"person-letter-{letter.pk}"
    return mail.written(template, facts, to=letter.to, name=name)


def _of_invitation(letter: PersonLetter) -> dict[str, Any]:
    invitation: Any = letter.invitation
    path = reverse("invitation", args=[letter.secret])
    return {
        "invitation": invitation,
        "role": Role(invitation.role).label,
        "by": told_as(invitation.by, invitation.company_id),
        "link": f"{settings.PORTAL_URL}{path}",
    }


def _of_rights(letter: PersonLetter) -> dict[str, Any]:
    facts, company = letter.facts, _company_of(letter)
    by = User.objects.filter(pk=facts["by"]).first() if facts["by"] else None
    named = {
        "person": facts["person"],
        "email": facts["email"],
        "company": company.name,
        "role": Role(facts["role"]).label,
        "before": dict(Role.choices).get(facts["before"], facts["before"]),
    }
    return {
        "what": _happened(facts["change"]) % named,
        "by": told_as(by, company.pk),
        "reason": facts["reason"],
        "is_staff": facts["is_staff"],
    }


def _of_rules(letter: PersonLetter) -> dict[str, Any]:
    facts, company = letter.facts, _company_of(letter)
    by = User.objects.filter(pk=facts["by"]).first() if facts["by"] else None
    return {
        "changes": [rule_changed(change, company) for change in facts["changes"]],
        "by": told_as(by, company.pk),
        "link": f"{settings.PORTAL_URL}{reverse('company:page')}",
    }


def _company_of(letter: PersonLetter) -> Company:
    """The company that a letter about its seats or keys is of."""
    if letter.company is None:
        raise ValueError(f"letter {letter.pk} has no company")
    return letter.company


def _happened(change: str) -> str:
    """What a change of rights (accounts/seats/services.py: SeatChange) means, in a sentence."""
    return {
        "given": _("%(person)s (%(email)s) now has a seat in %(company)s. Role: %(role)s."),
        "role": _(
            "%(person)s (%(email)s) has another role in %(company)s: "
            "%(role)s. Before, it was: %(before)s."
        ),
        "off": _("The seat of %(person)s (%(email)s) in %(company)s was switched off."),
        "on": _(
            "The seat of %(person)s (%(email)s) in %(company)s was switched on again. "
            "Role: %(role)s."
        ),
        "address": _(
            "The e-mail address of %(person)s, who has a seat in %(company)s, was changed from "
            "%(before)s to %(email)s."
        ),
        "password": _(
            "Staff of the programme chose a new password for %(person)s (%(email)s), who has a "
            "seat in %(company)s."
        ),
        "staff": _(
            "%(person)s (%(email)s), who has a seat in %(company)s, now belongs to the staff "
            "of the programme. Role in your company: %(role)s."
        ),
    }[change]


def _of_key(letter: PersonLetter) -> dict[str, Any]:
    facts, company = letter.facts, _company_of(letter)
    by = User.objects.filter(pk=facts["by"]).first() if facts["by"] else None
    named = {"name": facts["name"], "shown": facts["shown"], "company": company.name}
    return {
        "what": _happened_to_key(facts["change"]) % named,
        "expires": exact(datetime.fromisoformat(facts["expires"])),
        "ends": facts["change"] != "revoked",
        "by": told_as(by, company.pk) if by else "",
        "reason": facts["reason"],
    }


def _happened_to_key(change: str) -> str:
    """What happened to an API key (accounts/access/key_letters.py: KeyChange), in a sentence."""
    return {
        "made": _("There is a new API key of %(company)s, “%(name)s” (%(shown)s)."),
        "rotated": _(
            "The API key “%(name)s” of %(company)s was replaced by a new one (%(shown)s)."
        ),
        "revoked": _("The API key “%(name)s” (%(shown)s) of %(company)s was revoked."),
        "expires": _(
            "The API key “%(name)s” (%(shown)s) of %(company)s expires soon. Rotate it, so that "
            "your systems can go on."
        ),
    }[change]


def _of_endpoint(letter: PersonLetter) -> dict[str, Any]:
    facts = letter.facts
    return {"what": _happened_to_endpoint(facts["change"]), "url": facts["url"]}


def _happened_to_endpoint(change: str) -> str:
    """What became of a webhook endpoint (redemption/webhooks_out/health.py), and what to do."""
    again = _("Put it right, then send a ping: once it has arrived, events are sent again.")
    return {
        "failing": _(
            "For a day no event has arrived at this address of your company’s own system. Events "
            "are still sent; after five days they are not any more."
        ),
        "stopped": _(
            "For five days no event has arrived at this address of your company’s own system. No "
            "more events are sent to it; what it misses is kept for 30 days."
        )
        + " "
        + again,
        "gone": _("This address answered that it is gone (410). No more events are sent to it.")
        + " "
        + again,
        "staff": _(
            "Staff of the programme switched this address off. No more events are sent to it."
        ),
    }[change]


def _of_access(letter: PersonLetter) -> dict[str, Any]:
    facts = letter.facts
    return {
        "what": _of_sign_in(facts["change"]) % {"name": facts["name"]},
        "by_staff": facts["by_staff"],
        "reason": facts["reason"],
        "at": exact(letter.created_at),
        "address": facts["address"],
        "link": f"{settings.PORTAL_URL}{reverse('mfa_index')}",
    }


def _of_sign_in(change: str) -> str:
    """What a change (access/factors/factor_changes.py: FactorChange) means, in a sentence."""
    return {
        "app_added": _("An authenticator app was added: its codes are asked for when you sign in."),
        "app_removed": _("The authenticator app was removed."),
        "passkey_added": _("The passkey “%(name)s” was added."),
        "passkey_removed": _("The passkey “%(name)s” was removed."),
        "codes_made": _("New recovery codes were made. The ones before work no more."),
        "lost": _("Your second step to sign in was removed, and you were signed out everywhere."),
    }[change]


def _of_stand_in(letter: PersonLetter) -> dict[str, Any]:
    facts, company = letter.facts, _company_of(letter)
    by = User.objects.filter(pk=facts["by"]).first() if facts["by"] else None
    days = {name: date_format(date.fromisoformat(facts[name])) for name in ("first", "last")}
    named = {"approver": facts["approver"], "deputy": facts["deputy"], **days}
    what = {
        "named": _(
            "%(deputy)s may decide on orders in the place of %(approver)s, from %(first)s to "
            "%(last)s, the last day included."
        ),
        "ended": _("%(deputy)s does not decide in the place of %(approver)s any more."),
    }[facts["change"]]
    return {
        "what": what % named,
        "by": told_as(by, company.pk),
        "path": reverse("approvals:list"),
    }


def _of_bulk(letter: PersonLetter) -> dict[str, Any]:
    """About a file of orders (redemption/checkout/bulk/approving.py)."""
    facts = letter.facts
    until = exact(datetime.fromisoformat(facts["until"]))
    named = {
        "file": facts["name"],
        "who": facts["who"],
        "points": grouped(facts["points"]),
        "orders": grouped(facts["orders"]),
        "until": until,
    }
    title, what = _happened_to_bulk(facts["change"])
    path = reverse("bulk:detail", args=[facts["bulk"]])
    return {
        "title": title % named,
        "what": what % named,
        "reason": facts["reason"],
        "path": path,
    }


def _happened_to_bulk(change: str) -> tuple[str, str]:
    """What became of a file of orders: a heading and a sentence."""
    waits = _(
        "%(who)s wants to place the orders of the file “%(file)s”: %(orders)s orders for "
        "%(points)s points. It waits for one approval of all, until %(until)s."
    )
    return {
        "asked": (_("A file of orders waits for your approval"), waits),
        "reminded": (_("A file of orders still waits for your approval"), waits),
        "ending": (_("A file of orders waits for your approval, and not for long any more"), waits),
        "approved": (
            _("Your file of orders was approved"),
            _("%(who)s approved the file “%(file)s”. Its orders are being placed."),
        ),
        "rejected": (
            _("Your file of orders was not approved"),
            _("%(who)s did not approve the file “%(file)s”. Nothing was ordered."),
        ),
        "expired": (
            _("Nobody approved your file of orders in time"),
            _(
                "Nobody decided on the file “%(file)s” until %(until)s. Nothing was ordered and no "
                "points were taken. You can have it placed once more from its page."
            ),
        ),
    }[change]


def _of_stock(letter: PersonLetter) -> dict[str, Any]:
    """About a product that somebody waited for (catalog/yours/services.py)."""
    facts = letter.facts
    title = _("In stock again: %(product)s") % {"product": facts["product"]}
    return {"title": title, "path": facts["path"]}


_FACTS: Mapping[PersonLetterKind, Callable[[PersonLetter], dict[str, Any]]] = {
    PersonLetterKind.INVITATION: _of_invitation,
    PersonLetterKind.RIGHTS: _of_rights,
    PersonLetterKind.RULES: _of_rules,
    PersonLetterKind.KEY_NEWS: _of_key,
    PersonLetterKind.ENDPOINT_NEWS: _of_endpoint,
    PersonLetterKind.ACCESS: _of_access,
    PersonLetterKind.STAND_IN: _of_stand_in,
    PersonLetterKind.BULK: _of_bulk,
    PersonLetterKind.IN_STOCK: _of_stock,
}
