"""Finds the seat and the language of each request, and switches them.

Also the one place where staff who see the portal as a seat get that seat instead of their own.
"""

from collections.abc import Callable, Iterator
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import Resolver404, resolve, reverse
from django.utils.cache import patch_vary_headers
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language_from_request
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access.factors.second_factor import lacks
from accounts.access.sessions import note
from accounts.forms import LettersForm, ProfileForm, TextsForm
from accounts.models import AccountManager, Company, User
from accounts.models.readers import Reader, reader_of
from accounts.seats.see_as.services import (
    HowItEnded,
    Seeing,
    forget,
    is_just_over,
    read_only,
    seeing_on,
    seen_page,
)
from accounts.selectors import SEAT_KEY, choose_seat, offers_texts, own_seat, seats_of
from accounts.services import choose_letters, choose_texts
from loyalty_portal.data.actor import Actor
from loyalty_portal.http.responses import SeeOther, form_only

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
SIGNS_OUT = frozenset({"account_logout", "admin:logout"})
# What staff may do while they see the portal as a seat: end that.
_ENDS = frozenset({"see_as_end"})
Parameters = ParamSpec("Parameters")


class PortalRequest(HttpRequest):
    """The request that portal views receive: signed in, with the current seat.

    `actor` is the user in that seat. `seeing`: staff see the page as that seat, so it may record
    nothing; `user` is the member of staff then, and `seat.user` the person.
    """

    user: User
    seat: AccountManager
    actor: Actor
    seats: list[AccountManager]
    seeing: Seeing | None


_A_YEAR = 365 * 24 * 3600  # seconds
# What is the same for everybody, without a word: it may stay in shared caches.
_FOR_ALL = ("/brand.css", "/catalog/artwork/", "/catalog/pictures/")


class SeatMiddleware:
    """Sets `request.seats` and `request.seat` (None without one), each read on first use. Notes
    afterwards that the session was used.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        request.seats = SimpleLazyObject(lambda: _seats(request))
        request.seat = SimpleLazyObject(lambda: _chosen(request))
        response = self.get_response(request)
        if request.session.accessed and request.user.is_authenticated:
            note(request)
        return response

    def process_view(self, request: Any, *_view: object) -> HttpResponse | None:
        """Refuse what changes something while staff see the portal as a seat."""
        if request.method in SAFE or not request.user.is_authenticated:
            return None
        seeing = seeing_on(request)
        if seeing is None and not is_just_over(request):
            return None
        match = request.resolver_match
        if match.view_name in SIGNS_OUT:
            forget(request, HowItEnded.SIGN_OUT)
        if match.view_name in SIGNS_OUT | _ENDS or match.namespace == "admin":
            return None
        told = _refusal(seeing)
        if request.headers.get("HX-Request"):
            messages.error(request, told)  # the page loads itself again and shows it
            return HttpResponse(told, status=403, content_type="text/plain")
        raise PermissionDenied(told)


def _refusal(seeing: Seeing | None) -> str:
    if seeing is None:
        return _(
            "You saw the portal as somebody else, and the time for that is over. Nothing was "
            "changed."
        )
    return _(
        "You see the portal as %(who)s of %(company)s, only to look. Nothing was changed: only "
        "they themselves can do this."
    ) % {"who": seeing.seat.user, "company": seeing.seat.company}


def _seats(request: Any) -> list[AccountManager]:
    if not request.user.is_authenticated:
        return []
    seeing = seeing_on(request)
    return seeing.seats if seeing else seats_of(request.user)


class ReaderMiddleware:
    """Answers each request in its reader's language and time zone, and says in which language.

    It takes the place of Django's LocaleMiddleware, which knows the browser only.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponseBase:
        if request.path_info.startswith(_FOR_ALL):
            return self.get_response(request)
        reader = _reader(request)
        with reader.reading():
            response = self.get_response(request)
        if isinstance(response, StreamingHttpResponse):
            response.streaming_content = _read_on(iter(response), reader)
        response.headers.setdefault("Content-Language", reader.language)
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return response


def _reader(request: Any) -> Reader:
    asked = get_language_from_request(request)
    if not request.user.is_authenticated:
        return reader_of(None, language=asked)
    # Staff read in the programme's zone, also while they see the portal as a seat.
    seat = None if request.user.is_staff else request.seat
    return reader_of(request.user, seat and seat.company, language=asked)


def _read_on(pieces: Iterator[bytes], reader: Reader) -> Iterator[bytes]:
    """The pieces of a response, each made in the reader's language: they are made after it."""
    while True:
        with reader.reading():
            piece = next(pieces, None)
        if piece is None:
            return
        yield piece


def _chosen(request: Any) -> AccountManager | None:
    if not request.user.is_authenticated:
        return None
    if seeing := seeing_on(request):
        request.seat_id = seeing.seat.pk  # for the request's line in the log
        return seeing.seat
    seat = choose_seat(request.seats, request.session.get(SEAT_KEY))
    # Nothing of a company is shown before the second factor that it requires.
    request.closed_seat = seat if lacks(request, seat) else None
    request.seat_id = seat.pk if seat else None
    return None if request.closed_seat else seat


def with_seat(
    *, allowed: Callable[[Actor], bool] | None = None
) -> Callable[
    [Callable[Concatenate[PortalRequest, Parameters], HttpResponse]],
    Callable[Concatenate[HttpRequest, Parameters], HttpResponse],
]:
    """Decorate a view for account managers: signed in, with a usable seat that passes `allowed`.

    A person without a seat gets a page that says so (403). A seat that fails `allowed` gets a 403
    too.
    """

    def decorate(
        view: Callable[Concatenate[PortalRequest, Parameters], HttpResponse],
    ) -> Callable[Concatenate[HttpRequest, Parameters], HttpResponse]:
        def checked(
            request: Any, /, *args: Parameters.args, **kwargs: Parameters.kwargs
        ) -> HttpResponse:
            if not request.user.is_authenticated:
                return _signed_out(request)
            # Replace the lazy object, which makes each access slower.
            request.seat = _chosen(request)
            if request.seat is None:
                return _without_seat(request)
            request.actor = Actor.in_seat(request.seat)
            seeing = seeing_on(request)
            if _is_of_another_page(request, seeing):
                return HttpResponse(status=204, headers={"HX-Refresh": "true"})
            if allowed and not allowed(request.actor):
                raise PermissionDenied(_("Your role in this company does not include this."))
            if seeing is None:
                return view(request, *args, **kwargs)
            with read_only():
                response = view(request, *args, **kwargs)
            if response.status_code == 200:
                seen_page(seeing)
            return response

        update_wrapper(checked, view)
        checked.allowed = allowed  # type: ignore[attr-defined] # for whoever leads there
        return checked

    return decorate


def _without_seat(request: Any) -> HttpResponse:
    """Lead to where a second factor is set up, or say that there is no seat."""
    if not request.closed_seat:
        return render(request, "accounts/no_seat.html", status=403)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return redirect("mfa_index")


def _is_of_another_page(request: HttpRequest, seeing: Seeing | None) -> bool:
    """Whether a part is asked for by a page of another seat, which is still open in a tab.

    Such a page would show what is not its seat's, or without the banner. It loads itself again.
    """
    if not request.headers.get("HX-Request"):
        return False
    return request.headers.get("Seen-As", "") != (str(seeing.viewing.pk) if seeing else "")


def _signed_out(request: HttpRequest) -> HttpResponse:
    """Redirect to the sign-in page. HTMX gets a 401 instead and reloads its page."""
    if request.headers.get("HX-Request"):
        return HttpResponse(status=401)
    return redirect_to_login(_to_go_on_at(request))


def _to_go_on_at(request: HttpRequest) -> str:
    """The address to return to after sign-in: this one or, for a POST, the page of the form."""
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()}):
        return resolve_url("home")
    parts = urlsplit(page)
    return urlunsplit(("", "", parts.path, parts.query, ""))


@form_only("home")
@login_required
def switch_seat(request: Any) -> HttpResponseRedirect:
    """Switch to another seat of the user. An id that is not one of the user's changes nothing.

    It leads on to `next`, or else to the kind of page that the form was on, where the new seat may
    be there.
    """
    seat = own_seat(request.seats, request.POST.get("seat"))
    if seat is not None:
        request.session[SEAT_KEY] = str(seat.id)
    target = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        return redirect(target)
    return redirect(page_of_kind(_to_go_on_at(request), seat) if seat else "home")


def page_of_kind(address: str, seat: AccountManager) -> str:
    """The page of the same kind as this one, for another seat: from an order to the list of orders,
    from the points statement to the points statement. The first page where the seat may not be
    there. `address` is a path, perhaps with a query, which is left out: it may name what is another
    company's.
    """
    parts = [part for part in address.partition("?")[0].split("/") if part]
    while parts:
        path = f"/{'/'.join(parts)}/"
        try:
            match = resolve(path)
        except Resolver404:
            match = None
        if match and not match.kwargs and not match.args:
            allowed = getattr(match.func, "allowed", None)
            is_open = allowed is None or allowed(Actor.in_seat(seat))
            return path if is_open else reverse("home")
        parts.pop()
    return reverse("home")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: Any) -> HttpResponse:
    """A person's own name, language and time zone; and which letters they get."""
    company, person = _company_and_person(request)
    form = ProfileForm(request.POST or None, instance=person, company=company)
    if request.method == "POST" and form.is_valid():
        person.save(update_fields=form.Meta.fields)
        with reader_of(person, company, language=get_language_from_request(request)).reading():
            messages.success(request, _("Your profile is saved."))
        return SeeOther(resolve_url("profile"))
    return _show_profile(request, form, status=422 if request.method == "POST" else 200)


@form_only("profile")
@login_required
def profile_letters(request: Any) -> HttpResponse:
    """Choose which letters one gets."""
    company, person = _company_and_person(request)
    form = LettersForm(request.POST, person=person, seat=request.seat or None)
    if not form.is_valid():
        profile_form = ProfileForm(instance=person, company=company)
        return _show_profile(request, profile_form, form, status=422)
    choose_letters(person=person, on=form.cleaned_data["letters"], offered=form.offered)
    messages.success(request, _("Your choice of letters is saved."))
    return SeeOther(resolve_url("profile"))


@form_only("profile")
@login_required
def profile_texts(request: Any) -> HttpResponse:
    """Choose whether one gets text messages, where, and about what."""
    company, person = _company_and_person(request)
    if not offers_texts(company):
        raise Http404
    form = TextsForm(request.POST, person=person, seat=request.seat or None)
    if not form.is_valid():
        profile_form = ProfileForm(instance=person, company=company)
        return _show_profile(request, profile_form, texts=form, status=422)
    choose_texts(person=person, **form.cleaned_data)
    messages.success(request, _("Your choice of text messages is saved."))
    return SeeOther(resolve_url("profile"))


def _company_and_person(request: Any) -> tuple[Company | None, User]:
    """The company of the seat, and the person whose profile it is, read anew: a refused form must
    not rename the menu.
    """
    seeing = seeing_on(request)
    own = seeing.seat.user_id if seeing else request.user.pk
    return request.seat.company if request.seat else None, User.objects.get(pk=own)


def _show_profile(
    request: Any,
    form: ProfileForm,
    letters: LettersForm | None = None,
    *,
    texts: TextsForm | None = None,
    status: int,
) -> HttpResponse:
    person, seat = form.instance, request.seat or None
    letters = letters or LettersForm(person=person, seat=seat)
    if offers_texts(seat.company if seat else None):
        texts = texts or TextsForm(person=person, seat=seat)
    facts = {"form": form, "letters": letters, "texts": texts}
    return render(request, "accounts/profile.html", facts, status=status)


@form_only("home")
def choose_language(request: Any) -> HttpResponseRedirect:
    """Read on in another language: in this browser, and wherever this person signs in."""
    answer = SeeOther(_to_go_on_at(request))
    language = request.POST.get("language")
    if language not in dict(settings.LANGUAGES):
        return answer
    if request.user.is_authenticated:
        request.user.language = language
        request.user.save(update_fields=["language"])
    answer.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=_A_YEAR,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return answer


def not_here(_request: HttpRequest, **_named: object) -> HttpResponse:
    """Answer 404 at an allauth address that the portal does not offer."""
    raise Http404
