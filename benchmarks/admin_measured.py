"""Measures pages of the back office in one database, for benchmarks/admin.py.

Reads the name of a page from each line of standard input and answers with one line of JSON: how
long it took and what it asked of the database. The first line that it prints has all names.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.http import HttpResponse

django.setup()

from django.contrib import admin
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.urls import NoReverseMatch, reverse

from accounts.models import User
from redemption.models import RedemptionOrder

LARGE = 10_000  # rows from which a sequential scan is told
Query = tuple[str, Any]


def pages() -> dict[str, Callable[[Client], HttpResponse]]:
    """All lists and details of the back office, the home page, and searches."""
    found: dict[str, Callable[[Client], HttpResponse]] = {"home": get(reverse("admin:index"))}
    for model in sorted(admin.site._registry, key=lambda model: model._meta.label):  # noqa: SLF001
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        listed = reverse(f"admin:{name}_changelist")
        found[f"{model._meta.label}: list"] = get(listed)
        order = model._meta.ordering or ["pk"]
        middle = QuerySet(model).order_by(*order).values_list("pk", flat=True)[500:501]
        for key in middle:
            found[f"{model._meta.label}: deep in the list"] = get(f"{listed}?after={key}")
        last = QuerySet(model).order_by("-pk").values_list("pk", flat=True).first()
        if last is not None:
            found[f"{model._meta.label}: one"] = get(reverse(f"admin:{name}_change", args=[last]))
    order_number = RedemptionOrder.objects.values_list("order_number", flat=True)[0]
    for text in (order_number, "hana bama", "ada", "kettle"):
        found[f"search: {'an order number' if text == order_number else text}"] = post(
            reverse("admin:search"), q=text
        )
    for name in OTHERS:
        try:
            found[name] = get(reverse(f"admin:{name}"))
        except NoReverseMatch:
            sys.stderr.write(f"no page {name}\n")
    return found


# Pages that are no model's, by the names of their addresses.
OTHERS: tuple[str, ...] = ()


def get(address: str) -> Callable[[Client], HttpResponse]:
    return lambda client: client.get(address)


def post(address: str, **form: str) -> Callable[[Client], HttpResponse]:
    return lambda client: client.post(address, form)


@contextmanager
def recorded() -> Iterator[list[Query]]:
    queries: list[Query] = []

    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        queries.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        yield queries


def scans(queries: list[Query]) -> Iterator[str]:
    """The large tables that a query reads from end to end."""
    for sql, params in queries:
        if not sql.lstrip().upper().startswith(("SELECT", "WITH")):
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
            plan = cursor.fetchone()[0]
        plan = json.loads(plan) if isinstance(plan, str) else plan
        yield from _scanned(plan[0]["Plan"], sql)


def _scanned(node: dict[str, Any], sql: str) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan" and _rows(node["Relation Name"]) > LARGE:
        yield f"{node['Relation Name']}: {re.sub(r'SELECT .* FROM', 'SELECT … FROM', sql)[:300]}"
    for below in node.get("Plans", ()):
        # Below a LIMIT a scan that needs no order ends early.
        if node["Node Type"] == "Limit" and below["Node Type"] == "Seq Scan":
            continue
        yield from _scanned(below, sql)


def _rows(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = %s", [table])
        return int(cursor.fetchone()[0])


def measure(client: Client, page: Callable[[Client], HttpResponse]) -> dict[str, Any]:
    with recorded() as queries:
        started = time.perf_counter()
        answer = page(client)
        if hasattr(answer, "render"):
            answer.render()
        seconds = time.perf_counter() - started
    found = sorted(set(scans(queries)))
    return {
        "status": answer.status_code,
        "ms": seconds * 1000,
        "queries": len(queries),
        "scans": found,
    }


def main() -> None:
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.filter(is_superuser=True)[0])
    known = pages()
    print(json.dumps(list(known)), flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(client, known[line.strip()])), flush=True)


if __name__ == "__main__":
    main()
