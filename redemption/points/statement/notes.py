"""What a reader must know of a statement: where its balances come from, what it lacks, and whether
reconciliation agrees.
"""

from collections.abc import Iterator

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Company, LedgerRead
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.texts.times import exact
from redemption.models import Reconciliation
from redemption.points.header.spending import Spending
from redemption.points.reconciliation.selectors import COMPARED, open_differences
from redemption.points.statement.asked import StatementAsked


def notes_of(company: Company, spending: Spending, asked: StatementAsked) -> list[str]:
    """The sentences below a statement."""
    return [_balances(spending, asked), *_theirs(company), *_reconciled(company)]


def _balances(spending: Spending, asked: StatementAsked) -> str:
    known = spending.header.known
    if not asked.is_whole:
        return _("Balances are told for the whole statement, not for one person or kind.")
    if known is None:
        return _("The loyalty system has not told us the balance yet, so none is told here.")
    told = _(
        "Balances are counted back from the %(points)s points that the loyalty system told us at "
        "%(at)s."
    )
    return told % {"points": grouped(known.points), "at": exact(known.fetched_at)}


def _theirs(company: Company) -> Iterator[str]:
    """The note on whether entries that the loyalty system made itself are included."""
    read = LedgerRead.objects.filter(company=company).first()
    if not settings.LOYALTY_API_STATEMENT:
        yield _(
            "The statement has what this portal took and gave back. This loyalty system tells us "
            "of nothing else, so points that it adds or takes by itself, such as those that are "
            "earned or expire, are missing."
        )
    elif read is None or read.read_at is None:
        yield _(
            "What the loyalty system books by itself, such as points that are earned or expire, "
            "was not read yet, and is missing."
        )
    elif not read.tells_kinds:
        yield _(
            "The statement has what this portal took and gave back. The loyalty system does not "
            "say what it books by itself, such as points that are earned or expire."
        )
    else:
        told = _("What the loyalty system books by itself is as it told us at %(at)s.")
        yield told % {"at": exact(read.read_at)}
    if read and read.failed_at:
        yield _("When it was last asked for its statement, it did not answer.")


def _reconciled(company: Company) -> Iterator[str]:
    """Whether the loyalty system's own statement says the same."""
    differences = open_differences(company).count()
    runs = Reconciliation.objects.filter(company=company, outcome__in=COMPARED)
    last = runs.order_by("-until").first()
    if differences:
        yield ngettext(
            "%(n)s difference to the loyalty system’s own statement is being looked into: until "
            "it is settled, the two do not say the same.",
            "%(n)s differences to the loyalty system’s own statement are being looked into: until "
            "they are settled, the two do not say the same.",
            differences,
        ) % {"n": grouped(differences)}
    elif last:
        told = _("It agrees with the loyalty system’s own statement, compared until %(at)s.")
        yield told % {"at": exact(last.until)}
    else:
        yield _("It was not compared with the loyalty system’s own statement yet.")
