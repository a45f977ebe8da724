"""A browser without JavaScript: follows links, fills in forms, keeps cookies."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

PATIENCE = 60.0  # seconds to wait for an answer on a busy machine; longer counts as hanging

RECIPIENT = {
    "recipient_name": "Ada Byron",
    "recipient_email": "ada@northwind.example",
    "recipient_phone": "+4930123456",
    "address_line1": "Invalidenstr. 43",
    "city": "Berlin",
    "postcode": "10115",
    "country": "DE",
}


@dataclass
class Form:
    """A form of a page. `fields` are the values that it would send unchanged."""

    action: str
    method: str
    name: str = ""  # the form's HTML id
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    """Parses forms. A field belongs to the form around it or to the one in its `form` attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._around: Form | None = None
        self._open: tuple[Form, str] | None = None  # the select or textarea that is being parsed

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            method = said.get("method", "get").lower()
            self._around = Form(said.get("action", ""), method, said.get("id", ""))
            self.forms.append(self._around)
        elif tag == "option" and self._open:
            form, name = self._open
            if "selected" in said or name not in form.fields:
                form.fields[name] = said.get("value", "")
        elif (around := self._form_of(said)) and said.get("name"):
            self._field(tag, around, said)

    def _form_of(self, said: dict[str, str]) -> Form | None:
        if "form" not in said:
            return self._around
        return next((form for form in self.forms if form.name == said["form"]), None)

    def _field(self, tag: str, form: Form, said: dict[str, str]) -> None:
        kind = said.get("type", "text")
        is_chosen = kind not in {"checkbox", "radio"} or "checked" in said
        if tag == "input" and kind != "submit" and is_chosen and "disabled" not in said:
            form.fields[said["name"]] = said.get("value", "")
        elif tag == "textarea":
            form.fields[said["name"]] = ""
        if tag in {"select", "textarea"}:
            self._open = (form, said["name"])

    def handle_data(self, data: str) -> None:
        if self._open and self.lasttag == "textarea":
            form, name = self._open
            form.fields[name] += data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._around = None
        elif tag in {"select", "textarea"}:
            self._open = None


def forms_of(page: httpx.Response | str) -> list[Form]:
    """The forms of a page, or of its text."""
    parser = _Forms()
    parser.feed(page if isinstance(page, str) else page.text)
    return parser.forms


class Visitor:
    """A person with a browser. Every status of 500 or above raises an error.

    `address` is the client's IP address, any of 127.0.0.0/8; `headers` are sent with each request;
    `tls` says whose certificates are trusted.
    """

    def __init__(
        self,
        base_url: str,
        cookies: Mapping[str, str],
        *,
        address: str | None = None,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._browser = httpx.Client(
            base_url=base_url,
            timeout=PATIENCE,
            cookies=dict(cookies),
            trust_env=False,
            headers=dict(headers or {}),
            # Loading certificates takes longer than everything else, so only with `tls`.
            transport=httpx.HTTPTransport(local_address=address, verify=tls or False),
        )

    def loses_patience_after(self, seconds: float) -> None:
        self._browser.timeout = httpx.Timeout(seconds)

    def get(self, path: str) -> httpx.Response:
        return self._check(self._browser.get(path))

    def status(self, path: str) -> int:
        """The status of the answer, which may be an error."""
        return self._browser.get(path).status_code

    def follow(self, answer: httpx.Response) -> httpx.Response:
        """Follow all redirects and return the last page."""
        while answer.is_redirect:
            answer = self.get(answer.headers["location"])
        return answer

    def form(self, page: httpx.Response, action: str) -> Form:
        """The form of `page` whose action is `action`, or a path that ends with it."""
        here = page.url.path
        for form in forms_of(page):
            if (form.action or here).partition("?")[0].endswith(action) and form.method == "post":
                form.action = form.action or here
                return form
        raise AssertionError(f"{here} ({page.status_code}) has no form to {action}\n{page.text}")

    def send(self, form: Form, **filled: str) -> httpx.Response:
        """Fill in a form and submit it. Returns the response itself; redirects are not followed."""
        return self._check(self._browser.post(form.action, data={**form.fields, **filled}))

    def sign_in(self, email: str, password: str) -> httpx.Response:
        page = self.get("/accounts/login/")
        return self.follow(
            self.send(self.form(page, "/accounts/login/"), login=email, password=password)
        )

    def put_in_cart(self, product_path: str, quantity: int = 1) -> httpx.Response:
        page = self.get(product_path)
        form = self.form(page, "/cart/add/")
        return self.follow(self.send(form, quantity=str(quantity)))

    def checkout(self) -> Form:
        """The checkout's form, filled in but not sent."""
        form = self.form(self.get("/checkout/"), "/checkout/")
        form.fields |= {name: said for name, said in RECIPIENT.items() if name in form.fields}
        return form

    def redeem(self, *product_paths: str) -> str:
        """Redeem one of each product through the real pages. Returns the order's number."""
        for path in product_paths:
            self.put_in_cart(path)
        return order_number(self.send(self.checkout()))

    def close(self) -> None:
        self._browser.close()

    @staticmethod
    def _check(answer: httpx.Response) -> httpx.Response:
        assert answer.status_code < 500, (
            f"{answer.request.method} {answer.url.path} answered {answer.status_code}:\n"
            f"{answer.text[:2000]}"
        )
        return answer


def order_number(answer: httpx.Response) -> str:
    """The order number in the redirect after placing an order."""
    assert answer.status_code == 303, f"not placed: {answer.status_code}\n{answer.text}"
    _, orders, number, end = answer.headers["location"].split("/")
    assert (orders, end) == ("orders", ""), answer.headers["location"]
    return number
