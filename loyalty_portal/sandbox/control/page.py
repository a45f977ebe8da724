"""The page at /: accounts, deliveries, calls and faults, with forms to change them."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template

from aiohttp import web

from loyalty_portal.sandbox import receiver
from loyalty_portal.sandbox.control import api
from loyalty_portal.sandbox.faults import fault_effects, rules
from loyalty_portal.sandbox.faults.behaviour import MODES
from loyalty_portal.sandbox.keys import PARTNERS
from loyalty_portal.sandbox.ledger import OWN
from loyalty_portal.sandbox.partners import Partners
from loyalty_portal.sandbox.problems import Json, ProblemError

SHOWN = 50
MINUS = "\N{MINUS SIGN}"
CSS = Path(__file__).with_name("page.css")
POLICY = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'"

GROUPS: tuple[tuple[str, dict[str, str], tuple[str, ...]], ...] = (
    ("The call has no effect", rules.BEFORE, rules.CALLS),
    ("The call has its effect, and the caller does not learn it", rules.AFTER, rules.CALLS),
    ("The webhook", rules.NEWS | rules.SENDING | rules.EARLY, ("webhook",)),
    ("The codes", rules.CODES, ("webhook",)),
    ("One fulfillment", rules.MODE, ("fulfill",)),
)
PARAMETERS = {
    "delay": ("seconds",),
    "timeout_before": ("seconds",),
    "timeout_after": ("seconds",),
    "slow_drip": ("seconds",),
    "late": ("seconds",),
    "unavailable_503": ("retry_after", "http_date"),
    "too_many_429": ("retry_after", "http_date"),
    "refuse": ("status", "code"),
    "mismatch": ("field",),
    "redirect": ("location",),
    "repeat": ("copies",),
}

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sandbox partners</title>
<link rel="stylesheet" href="/sandbox.css">
<link rel="icon" href="data:,">
</head>
<body>
<header>
<div><h1>Sandbox partners</h1>
<p>Pretends to be the Loyalty Points API, the Fulfillment API and a provider of SMS.
<a href="/">Refresh</a> · <a href="/mailbox/">Mailbox</a></p></div>
<dl class="figures">$figures</dl>
</header>
<main>
<section class="wide"><div class="aside"><h2>Broken right now</h2>$clear</div>$rules</section>
<section class="wide"><h2>Behaviour</h2>$dials</section>
<section class="wide"><h2>Faults</h2><p>Open one, say whom it hits and how often, and turn it on.
Times left empty means: until it is turned off.</p><div class="columns">$faults</div></section>
<section><h2>Latest points movements</h2>$entries</section>
<section><h2>Accounts</h2>$accounts<h3>Create or set an account</h3>$account_form
<h3>Earn, expire or adjust points</h3>$booking_form</section>
<section class="wide"><h2>Latest fulfillments</h2>$fulfillments</section>
<section class="wide"><h2>A company's own system</h2>
<p>Gets the portal's webhooks at <code>/receiver</code>, and verifies them
with the secrets that it was told.</p>
$receiver</section>
</main>
</body>
</html>
""")


def add_routes(app: web.Application) -> None:
    app.router.add_get("/", _page)
    app.router.add_get("/sandbox.css", _css)


async def _css(_request: web.Request) -> web.StreamResponse:
    return web.Response(text=CSS.read_text("utf-8"), content_type="text/css")


async def _page(request: web.Request) -> web.StreamResponse:
    try:
        api.admit(request)
    except ProblemError as problem:
        return fault_effects.plain(problem.answer())
    return web.Response(
        text=render(request.app[PARTNERS]),
        content_type="text/html",
        headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"},
    )


def render(partners: Partners) -> str:
    rules = partners.faults.list()
    return PAGE.substitute(
        figures=_figures(api.state(partners)),
        clear=_button("/control/faults/clear", "Mend everything") if rules else "",
        rules=_rules(rules),
        dials=_dials(partners),
        faults="".join(_group(*group, rules) for group in GROUPS),
        entries=_entries(partners),
        accounts=_accounts(partners.ledger.accounts()),
        account_form=_account_form(),
        booking_form=_booking_form(),
        fulfillments=_fulfillments(partners.deliveries.everything(SHOWN)),
        receiver=_receiver(receiver.state(partners)),
    )


def _figures(state: Json) -> str:
    shown = {
        "accounts": state["accounts"],
        "movements": state["entries"],
        "fulfillments": state["fulfillments"],
        "webhooks waiting": state["events_waiting"],
    }
    return "".join(f"<div><dt>{name}</dt><dd>{value:,}</dd></div>" for name, value in shown.items())


def _rules(rules: list[Json]) -> str:
    if not rules:
        return '<p class="good">Nothing: every call is answered as the contracts say.</p>'
    return f'<ul class="rules">{"".join(_rule(rule) for rule in rules)}</ul>'


def _rule(rule: Json) -> str:
    words = ["until turned off" if rule["times"] is None else f"{rule['times']} left"]
    if rule["rate"] < 1:
        words.append(f"{rule['rate']:.0%} of the calls")
    if rule["match"]:
        words.append(f"only “{escape(rule['match'])}”")
    words += [
        f"{_label(name)} {escape(str(rule[name]).removesuffix('.0'))}"
        for name in PARAMETERS.get(rule["fault"], ())
        if rule[name] not in (None, False)
    ]
    words.append(f"struck {rule['struck']}")
    off = _button(f"/control/faults/{rule['id']}/clear", "Turn off")
    return (
        f"<li><span><strong>{escape(rule['fault'])}</strong> on"
        f" <strong>{escape(rule['operation'])}</strong>: {', '.join(words)}</span>"
        f"{off}</li>"
    )


def _group(
    title: str, kinds: dict[str, str], operations: tuple[str, ...], rules: list[Json]
) -> str:
    return (
        f'<div class="group"><h3>{escape(title)}</h3>'
        + "".join(
            _fault(kind, words, operations, [rule for rule in rules if rule["fault"] == kind])
            for kind, words in kinds.items()
        )
        + "</div>"
    )


def _fault(kind: str, words: str, operations: tuple[str, ...], on: list[Json]) -> str:
    live = [rule for rule in on if rule["times"] != 0]
    mark = ' <strong class="on">on</strong>' if live else ""
    choices = (*operations, "token", "*") if operations is rules.CALLS else operations
    fields = "".join(_parameter(name) for name in PARAMETERS.get(kind, ()))
    return (
        f"<details><summary>{kind}{mark} <span>{escape(words)}</span></summary>"
        f'<form method="post" action="/control/faults">'
        f'<input type="hidden" name="fault" value="{kind}">'
        f"{_select('operation', 'hits', choices)}"
        '<label>times<input type="number" name="times" min="1" value="1"></label>'
        '<label>rate, 0 to 1<input type="number" name="rate" min="0" max="1" step="any"></label>'
        '<label>only where this occurs<input name="match" maxlength="255"></label>'
        f"{fields}<button>Turn on</button></form></details>"
    )


def _parameter(name: str) -> str:
    schema = rules.SCHEMA["properties"][name]
    if schema["type"] == "boolean":
        return f'<label class="tick"><input type="checkbox" name="{name}">{_label(name)}</label>'
    kind = "number" if schema["type"] in ("number", "integer") else "text"
    step = ' step="any"' if schema["type"] == "number" else ""
    default = rules.Rule.__dataclass_fields__[name].default
    value = "" if default is None else escape(str(default))
    return f'<label>{_label(name)}<input type="{kind}"{step} name="{name}" value="{value}"></label>'


def _dials(partners: Partners) -> str:
    now = partners.dials.now
    return (
        '<form method="post" action="/control/dials">'
        f"{_select('mode', 'a fulfillment is', MODES, now.mode)}"
        f"{_number('delay', 'outcome after, seconds', now.delay)}"
        f"{_number('token_life', 'a token lives, seconds', now.token_life)}"
        f"{_number('page_size', 'statement page, rows', now.page_size)}"
        f"{_yes_no('processing_event', 'webhook on the way', now.processing_event)}"
        f"{_yes_no('honour_keys', 'honours Idempotency-Key', now.honour_keys)}"
        f"{_yes_no('statement_kinds', 'statement has kinds', now.statement_kinds)}"
        '<label>webhook address<input class="long" name="webhook_url"'
        f' value="{escape(now.webhook_url or "")}"></label>'
        "<button>Set</button></form>"
    )


def _account_form() -> str:
    return (
        '<form method="post" action="/control/accounts">'
        '<label>account<input name="account_id" required maxlength="100"></label>'
        '<label>balance, points<input type="number" name="balance" min="0" required></label>'
        f"{_yes_no('blocked', 'blocked', False)}<button>Save</button></form>"
    )


def _booking_form() -> str:
    return (
        '<form method="post" action="/control/book">'
        '<label>account<input name="account_id" required maxlength="100"></label>'
        f"{_select('kind', 'points are', tuple(OWN), 'earned')}"
        '<label>points, below 0 are taken<input type="number" name="points" required></label>'
        '<label>description<input name="description" maxlength="255"></label>'
        "<button>Book</button></form>"
    )


def _accounts(accounts: list[Json]) -> str:
    mark = ' <strong class="on">blocked</strong>'
    rows = (
        (
            f"<td><code>{escape(account['account_id'])}</code>"
            f"{mark if account['blocked'] else ''}</td>"
            f'<td class="number">{account["balance"]:,}</td>'
        )
        for account in accounts
    )
    return _table(("Account", "#Points"), rows, "No account yet.")


def _entries(partners: Partners) -> str:
    rows = (
        (
            f'<td class="time">{_time(entry["created_at"])}</td>'
            f"<td><code>{escape(entry['account_id'])}</code></td>"
            f"<td><code>{escape(entry['reference'])}</code></td>"
            f'<td class="number">{_signed(entry)}</td>'
            f'<td class="number">{entry["balance_after"]:,}</td>'
        )
        for entry in partners.ledger.latest(SHOWN)
    )
    heads = ("Time (UTC)", "Account", "Reference", "#Points", "#Balance")
    return _table(heads, rows, "No points were moved yet.")


def _fulfillments(fulfillments: list[Json]) -> str:
    rows = (
        (
            f'<td class="time">{_time(row["updated_at"])}</td>'
            f"<td><code>{escape(row['reference'])}</code></td>"
            f"<td><code>{escape(row['sku'])}</code></td>"
            f'<td class="number">{row["quantity"]:,}</td>'
            f"<td>{escape(row['status'])} {escape(row['reason'] or '')}</td>"
            f'<td class="number">{len(row["deliverables"] or []):,}</td>'
        )
        for row in fulfillments
    )
    heads = ("Time (UTC)", "Reference", "SKU", "#Units", "Status", "#Codes")
    return _table(heads, rows, "Nothing was asked for yet.")


def _receiver(state: Json) -> str:
    form = (
        '<form method="post" action="/control/receiver">'
        f"{_select('answer', 'it', receiver.ANSWERS, state['answer'])}"
        '<label>a secret more<input class="long" name="secret" autocomplete="off"></label>'
        "<button>Set</button></form>"
    )
    forged = '<strong class="on">no</strong>'
    words = ", ".join(f"<code>{name}</code> {about}" for name, about in receiver.ANSWERS.items())
    rows = (
        (
            f'<td class="time">{_time(row["at"])}</td>'
            f"<td><code>{escape(row['type'])}</code></td>"
            f'<td class="number">{escape(str(row["sequence"] or ""))}</td>'
            f"<td><code>{escape(row['id'])}</code></td>"
            f"<td>{'yes' if row['verified'] else forged}</td>"
            f"<td>{escape(row['answer'])}</td>"
        )
        for row in state["messages"][:SHOWN]
    )
    heads = ("Time (UTC)", "Type", "#Sequence", "Id", "Signature holds", "Answered")
    return f"{form}<p>{words}</p>" + _table(heads, rows, "No message yet.")


def _table(heads: tuple[str, ...], rows: Iterable[str], nothing: str) -> str:
    """An HTML table. A head that begins with # marks a column of numbers."""
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    if not body:
        return f'<p class="nothing">{nothing}</p>'
    head = "".join(
        f'<th scope="col" class="{"number" if name[0] == "#" else "text"}">{name.lstrip("#")}</th>'
        for name in heads
    )
    return (
        '<div class="scroll" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _select(name: str, label: str, choices: Iterable[str], chosen: str = "") -> str:
    options = "".join(
        f"<option{' selected' if choice == chosen else ''}>{choice}</option>" for choice in choices
    )
    return f'<label>{label}<select name="{name}">{options}</select></label>'


def _yes_no(name: str, label: str, chosen: bool) -> str:
    """A select of yes and no, because browsers do not send an unticked checkbox."""
    options = "".join(
        f'<option value="{value}"{" selected" if yes == chosen else ""}>{word}</option>'
        for yes, value, word in ((True, "true", "yes"), (False, "false", "no"))
    )
    return f'<label>{label}<select name="{name}">{options}</select></label>'


def _number(name: str, label: str, value: float) -> str:
    return f'<label>{label}<input type="number" step="any" name="{name}" value="{value:g}"></label>'


def _button(action: str, label: str) -> str:
    return f'<form method="post" action="{action}"><button class="quiet">{label}</button></form>'


def _label(name: str) -> str:
    return name.replace("_", " ")


def _time(stamp: str) -> str:
    return f'<time datetime="{escape(stamp)}">{escape(stamp[5:19].replace("T", " "))}</time>'


def _signed(entry: Json) -> str:
    return f"{'+' if entry['type'] == 'credit' else MINUS}{entry['points']:,}"
