"""Writes the dashboards for Grafana: `python deploy/grafana/make.py`.

`--check` only says whether the files are up to date.

A test asks a real Prometheus each expression, and finds a series.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WIDE, HIGH = 8, 7  # of Grafana's 24 columns


@dataclass(frozen=True)
class Panel:
    """A panel: what it shows, by an expression of Prometheus, in a unit of Grafana."""

    title: str
    expression: str
    legend: str = ""
    unit: str = "short"
    says: str = ""


OVERVIEW = [
    Panel("Error budget left, 30 days", "portal:error_budget:left_30d", unit="percentunit"),
    Panel("Requests a second", "sum(rate(portal_requests_total[5m]))", unit="reqps"),
    Panel(
        "Share of 5xx",
        "portal:request_errors:ratio_5m",
        unit="percentunit",
        says="To be below 0.1 %.",
    ),
    Panel("Orders placed an hour", 'sum(increase(portal_orders_total{outcome="placed"}[1h]))'),
    Panel("Open orders", "max by (status) (portal_orders)", "{{status}}"),
    Panel("Points being taken or given back", "max(portal_unsettled_points)"),
    Panel(
        "Open incidents",
        "max by (severity) (sum by (severity, instance) (portal_incidents_open))",
        "{{severity}}",
    ),
    Panel("Alerts that could not be sent", "max(portal_alerts_unsent)"),
    Panel(
        "Points beyond what orders were to",
        "max(portal_net_effect_difference_points)",
        says="Always 0.",
    ),
    Panel(
        "Seconds since the last look of a sweeper", "time() - min(portal:last_look:max)", unit="s"
    ),
    Panel("Since the last reconciliation", "max(portal_reconciled_age_seconds)", unit="s"),
    Panel("Processes that tell figures", "sum by (job) (up)", "{{job}}"),
]
SAGA = [
    Panel("Rows that are due", "portal:due_rows:max", "{{kind}}"),
    Panel("The oldest is due for", "portal:due_oldest_seconds:max", "{{kind}}", "s"),
    Panel(
        "Leases that ended without a result", "max by (kind) (portal_leases_expired)", "{{kind}}"
    ),
    Panel("Rows put aside", "max by (kind) (portal_rows_put_aside)", "{{kind}}"),
    Panel(
        "What becomes of orders", "sum by (outcome) (rate(portal_orders_total[5m]))", "{{outcome}}"
    ),
    Panel(
        "From the intent to the debit, p95",
        "histogram_quantile(0.95, sum by (le) "
        '(rate(portal_order_seconds_bucket{step="confirmed"}[30m])))',
        unit="s",
    ),
    Panel("Debits later than 60 s", "portal:confirmed_late:ratio_1h", unit="percentunit"),
    Panel("Letters later than 5 minutes", "portal:letters_late:ratio_1h", unit="percentunit"),
    Panel(
        "Messages",
        "sum by (kind, outcome) (rate(portal_messages_total[5m]))",
        "{{kind}} {{outcome}}",
    ),
    Panel("Parked callbacks", "max(portal_callbacks_parked)"),
    Panel("Lines that hold stock", "max(portal_reservations_open)"),
    Panel("Tasks that could not be queued", "sum(rate(portal_nudges_lost_total[5m]))"),
]
PARTNERS = [
    Panel("Known to be down", "portal:breaker_open:max", "{{partner}}"),
    Panel(
        "Calls by outcome",
        "sum by (partner, outcome) (rate(portal_partner_calls_total[5m]))",
        "{{partner}} {{outcome}}",
    ),
    Panel(
        "Calls by operation",
        "sum by (partner, operation) (rate(portal_partner_calls_total[5m]))",
        "{{partner}} {{operation}}",
    ),
    Panel("Seconds of a call, p95", "portal:partner_seconds:p95_5m", "{{partner}}", "s"),
    Panel(
        "Seconds of a call, on average",
        "sum by (partner) (rate(portal_partner_seconds_sum[5m]))"
        " / sum by (partner) (rate(portal_partner_seconds_count[5m]))",
        "{{partner}}",
        "s",
    ),
]
DATABASE = [
    Panel("Answers", "max by (role) (pg_up)", "{{role}}"),
    Panel("Connections", "sum by (role) (pg_stat_database_numbackends)", "{{role}}"),
    Panel("Commits a second", "sum by (role) (rate(pg_stat_database_xact_commit[5m]))", "{{role}}"),
    Panel(
        "Rollbacks a second", "sum by (role) (rate(pg_stat_database_xact_rollback[5m]))", "{{role}}"
    ),
    Panel(
        "Read from memory",
        "sum(rate(pg_stat_database_blks_hit[5m])) / (sum(rate(pg_stat_database_blks_hit[5m]))"
        " + sum(rate(pg_stat_database_blks_read[5m])))",
        unit="percentunit",
    ),
    Panel("Deadlocks", "sum by (role) (rate(pg_stat_database_deadlocks[5m]))", "{{role}}"),
    Panel("Size", "sum by (datname) (pg_database_size_bytes)", "{{datname}}", "bytes"),
    Panel(
        "Disk left",
        "min by (instance) (node_filesystem_avail_bytes / node_filesystem_size_bytes)",
        "{{instance}}",
        "percentunit",
    ),
    Panel("Redis answers", "max(redis_up)"),
    Panel("Redis, memory", "max(redis_memory_used_bytes)", unit="bytes"),
]
WEB = [
    Panel(
        "Requests a second",
        "topk(10, sum by (route) (rate(portal_requests_total[5m])))",
        "{{route}}",
        "reqps",
    ),
    Panel("By status", "sum by (status) (rate(portal_requests_total[5m]))", "{{status}}", "reqps"),
    Panel(
        "Seconds, p95",
        "histogram_quantile(0.95, sum by (le, route) (rate(portal_request_seconds_bucket[5m])))",
        "{{route}}",
        "s",
    ),
    Panel(
        "Placing an order, p95",
        "portal:checkout_seconds:p95_5m",
        unit="s",
        says="To be below 500 ms.",
    ),
    Panel(
        "The portal from outside",
        'min by (instance) (probe_success{job="outside"})',
        "{{instance}}",
    ),
    Panel(
        "Seconds from outside",
        'max by (instance) (probe_duration_seconds{job="outside"})',
        "{{instance}}",
        "s",
    ),
]
DASHBOARDS = {
    "Overview": OVERVIEW,
    "Saga": SAGA,
    "Partners": PARTNERS,
    "Database": DATABASE,
    "Web": WEB,
}


def dashboard(name: str, panels: list[Panel]) -> dict[str, Any]:
    """A dashboard as Grafana imports it. It asks which Prometheus to read."""
    return {
        "uid": f"portal-{name.lower()}",
        "title": f"Portal: {name}",
        "tags": ["portal"],
        "schemaVersion": 38,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "prometheus",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                }
            ]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${prometheus}"}
    row, column = divmod(number, 24 // WIDE)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": source,
        "gridPos": {"x": column * WIDE, "y": row * HIGH, "w": WIDE, "h": HIGH},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": "A",
                "datasource": source,
                "expr": panel.expression,
                "legendFormat": panel.legend or panel.title,
            }
        ],
    }


def main(arguments: list[str]) -> int:
    stale = []
    for name, panels in DASHBOARDS.items():
        file = HERE / f"{name.lower()}.json"
        text = json.dumps(dashboard(name, panels), indent=2) + "\n"
        if arguments == ["--check"]:
            stale += [] if file.exists() and file.read_text() == text else [file.name]
        else:
            file.write_text(text)
    if stale:
        sys.stderr.write(f"Not up to date: {', '.join(stale)}. Run deploy/grafana/make.py.\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
