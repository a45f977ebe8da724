"""The page at /mailbox/: what people got, letters and text messages, the newest first.

Letters are the files that Django writes with EMAIL_URL=filemail://; their folder is an option of
the sandbox.
"""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from html import escape
from pathlib import Path
from string import Template

from aiohttp import web

from loyalty_portal.sandbox.control import api, texts
from loyalty_portal.sandbox.faults import fault_effects
from loyalty_portal.sandbox.keys import PARTNERS
from loyalty_portal.sandbox.partners import Partners
from loyalty_portal.sandbox.problems import ProblemError

SHOWN = 100
# How Django parts the letters in one of its files.
PARTED = b"-" * 79 + b"\n"
# A letter has its styles inside, as mail programs want it. It runs no script and loads nothing.
POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src data:; frame-src 'self';"
    " sandbox allow-same-origin allow-popups"
)
PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mailbox</title>
<link rel="stylesheet" href="/sandbox.css">
<link rel="icon" href="data:,">
</head>
<body>
<header>
<div><h1>Mailbox</h1>
<p>What everybody got from the portal. <a href="/mailbox/">Refresh</a> ·
<a href="/">The partners</a></p></div>
</header>
<main>
<section class="wide"><h2>Letters</h2>$letters</section>
<section class="wide"><h2>Text messages</h2>$texts</section>
</main>
</body>
</html>
""")


def add_routes(app: web.Application) -> None:
    app.router.add_get("/mailbox/", _page)
    app.router.add_get("/mailbox/{name}/", _letter)


async def _page(request: web.Request) -> web.StreamResponse:
    return _guarded(request, render)


async def _letter(request: web.Request) -> web.StreamResponse:
    """One letter as a mail program shows it."""

    def shown(partners: Partners) -> str:
        for name, letter in letters(partners.mail):
            if name == request.match_info["name"]:
                html = letter.get_body(("html",))
                return str(html.get_content()) if html else f"<pre>{escape(_text(letter))}</pre>"
        raise web.HTTPNotFound

    return _guarded(request, shown)


def _guarded(request: web.Request, make: Callable[[Partners], str]) -> web.StreamResponse:
    try:
        api.admit(request)
    except ProblemError as problem:
        return fault_effects.plain(problem.answer())
    text = make(request.app[PARTNERS])
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    return web.Response(text=text, content_type="text/html", headers=headers)


def letters(folder: Path | None) -> list[tuple[str, EmailMessage]]:
    """The newest letters with a name for each, the newest first."""
    files = sorted(folder.glob("*.log"), reverse=True) if folder else []
    found: list[tuple[str, EmailMessage]] = []
    for file in files[:SHOWN]:
        parts = [part for part in file.read_bytes().split(PARTED) if part.strip()]
        found += [
            (f"{file.stem}-{number}", message_from_bytes(part, policy=policy.default))
            for number, part in reversed(list(enumerate(parts)))
        ]
    return found[:SHOWN]


def render(partners: Partners) -> str:
    told = [_row(name, letter) for name, letter in letters(partners.mail)]
    said = [
        f'<tr><td class="time">{escape(text["at"][5:19].replace("T", " "))}</td>'
        f"<td>{escape(text['number'])}</td><td>{escape(text['text'])}</td></tr>"
        for text in texts.latest(partners, SHOWN)
    ]
    return PAGE.substitute(
        letters=_table(("Time (UTC)", "To", "Subject"), told, "No letter yet."),
        texts=_table(("Time (UTC)", "To", "Text"), said, "No text message yet."),
    )


def _row(name: str, letter: EmailMessage) -> str:
    at = parsedate_to_datetime(str(letter["Date"])) if letter["Date"] else None
    when = f"{at:%m-%d %H:%M:%S}" if at else ""
    return (
        f'<tr><td class="time">{when}</td><td>{escape(str(letter["To"]))}</td>'
        f"<td><details><summary>{escape(str(letter['Subject']))}</summary>"
        f'<p><a href="/mailbox/{escape(name)}/" target="_blank" rel="noopener">As HTML</a></p>'
        f'<pre class="letter">{escape(_text(letter))}</pre></details></td></tr>'
    )


def _text(letter: EmailMessage) -> str:
    body = letter.get_body(("plain",))
    return str(body.get_content()) if body else ""


def _table(heads: tuple[str, ...], rows: list[str], nothing: str) -> str:
    if not rows:
        return f'<p class="nothing">{nothing}</p>'
    head = "".join(f'<th scope="col" class="text">{name}</th>' for name in heads)
    return (
        '<div class="scroll" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
