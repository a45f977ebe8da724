"""The back office's search for everything; the site adds it under settings.ADMIN_SEARCH."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from loyalty_portal.admin_site.verbs import actor_of
from redemption.backoffice.search.selectors import LONGEST, find, only_exact


def search(request: HttpRequest) -> HttpResponse:
    """Show what is found, or redirect (303) to the one row that was meant.

    The text is posted, because names and e-mail addresses do not belong in an address.
    """
    text = request.POST.get("q", "")
    found = find(text, by=actor_of(request))
    if there := only_exact(found):
        return HttpResponseRedirect(there, status=303)
    context = {
        **admin.site.each_context(request),
        "title": _("Search"),
        "text": text[:LONGEST],
        "shortened": len(text) > LONGEST,
        "longest": LONGEST,
        "found": found,
    }
    return TemplateResponse(request, "admin/redemption/search.html", context)
