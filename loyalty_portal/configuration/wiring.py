"""The names of functions of higher rooms, which lower rooms call without importing them.

settings.py takes them over, so that tests can replace them (docs/architecture.md).
"""

# Functions of higher rooms that add figures to the header of every page (accounts/layout.py).
LAYOUT_PROVIDERS = ["redemption.points.header.providers.header_figures"]
# What the admin's first page shows, in this order (loyalty_portal/admin_site/home.py).
HOME_CARDS = [
    "redemption.backoffice.home.second_look",
    "redemption.backoffice.home.questions",
    "fulfillment.desk.home.parcels",
    "redemption.backoffice.home.orders",
    "redemption.backoffice.home.incidents",
    "redemption.backoffice.home.points",
    "inventory.home.short_stock",
    "catalog.backoffice.home.offers",
    "accounts.backoffice.home.people",
    "redemption.backoffice.home.post",
    "redemption.backoffice.trends.by_day",
]
# What waits for staff, counted in the menu and on the first page (admin_site/counts.py).
WAITING = [
    "redemption.backoffice.home.waiting",
    "fulfillment.desk.home.waiting",
    "inventory.home.waiting",
    "catalog.backoffice.home.waiting",
    "accounts.backoffice.home.waiting",
]
# What a company and its seats ordered (accounts/invitations/members.py).
SPENDING = "redemption.orders.members.selectors.spending_of"
# What a seat ordered month by month (accounts/invitations/members.py).
SPENDING_BY_MONTH = "redemption.checkout.limits.used_by_month"
# fulfillment calls this function of redemption, which it cannot import (docs/architecture.md).
FULFILLMENT_LISTENER = "redemption.saga.line_news.hear_fulfillment"
# The back office's search, a view of redemption, which searches the rooms below it.
ADMIN_SEARCH = "redemption.backoffice.search.views.search"
# Functions that return further pages of the back office.
ADMIN_PAGES = ["redemption.analytics.urls.pages"]
# Finds who calls the API, and its routers with what their addresses begin with.
API_CALLER = "accounts.access.bearer.caller_of"
API_ROUTERS = [
    ("", "accounts.company.account.router"),
    ("/members", "accounts.company.members.members"),
    ("/invitations", "accounts.company.members.invitations"),
    ("", "catalog.api.router"),
    ("/orders", "redemption.orders.api.acting.router"),
    ("/addresses", "redemption.orders.api.addresses.addresses"),
    ("/approvals", "redemption.orders.api.waiting.approvals"),
    ("/order-previews", "redemption.orders.api.placing.previews"),
    ("/transactions", "redemption.points.api.router"),
    ("/events", "redemption.webhooks_out.api.events"),
    ("/webhook-endpoints", "redemption.webhooks_out.api.endpoints"),
]
# The work queues in this order; the sweeper has threads for each.
WORK_QUEUES = [
    *(
        f"redemption.saga.queues.{queue}"
        for queue in (
            *("TRANSACTIONS", "PARTNER_CALLS", "POLLS", "CALLBACKS", "LETTERS", "ALERTS"),
            "TEXT_MESSAGES",
            "WAITING_LINES",
            "LETTERS_TO_PEOPLE",
            "LOW_STOCK_LETTERS",
            "JOBS",
        )
    ),
    "redemption.analytics.queues.REPORTS_BY_MAIL",
    "redemption.webhooks_out.queues.WEBHOOKS",
    "redemption.checkout.bulk.queues.BULKS",
    "redemption.orders.asking.queues.LETTERS_TO_RECIPIENTS",
]
# Functions that tell what happened by rows of the feed's outbox, by the source in the row, and
# those that get the changes when they are published (loyalty_portal/feed/services.py).
FEED_SOURCES = {
    "order events": "redemption.webhooks_out.happenings.of_order_events",
    "seats": "redemption.webhooks_out.happenings.of_seats",
    "endpoints": "redemption.webhooks_out.happenings.of_endpoints",
}
FEED_READERS = ["redemption.webhooks_out.delivering.fan_out"]
# The kinds of background work, by the names that their rows hold (loyalty_portal/jobs/kinds.py).
JOB_KINDS = {
    "reports.export": "redemption.analytics.exporting.EXPORT",
    "catalog.bulk_edit": "catalog.backoffice.bulk.work.BULK_EDIT",
    "catalog.export": "catalog.backoffice.exchange.exporting.EXPORT",
    "catalog.import": "inventory.importing.IMPORT",
    "catalog.preview_import": "catalog.backoffice.exchange.reading.PREVIEW",
    "catalog.undo_edit": "catalog.backoffice.bulk.undoing.UNDO_EDIT",
    "catalog.undo_import": "catalog.backoffice.bulk.undoing.UNDO_IMPORT",
    "inventory.book_list": "inventory.documents.booking.BOOK_LIST",
}
# The queues of Celery's tasks; all others are in "default".
TASK_ROUTES = {
    "redemption.tasks.settle_transaction": {"queue": "loyalty"},
    "redemption.tasks.request_fulfillment": {"queue": "fulfillment"},
    "redemption.tasks.process_callback": {"queue": "fulfillment"},
    "redemption.tasks.ask_how_it_stands": {"queue": "fulfillment"},
    "redemption.tasks.send_letter": {"queue": "notifications"},
}
# Secrets in tables that are not ours, which `rotate_keys` turns too (data/key_rotation.py).
OTHER_SECRETS = ["accounts.access.factors.factor_secrets.FactorSecrets"]
# Functions that tell Prometheus the state of the business, from the sweeper's port, and of what is
# the same for all processes, from each (loyalty_portal/metrics/state.py).
PROCESS_STATES = ["loyalty_portal.web.health.breakers"]
WEB_STATES = [*PROCESS_STATES, "catalog.search.state.told"]
# What /readyz says besides: functions that return "ok" or what is wrong. None of it is needed.
READY_PARTS = {"search index": "catalog.search.state.readiness"}
STATE_SOURCES = [
    *PROCESS_STATES,
    "loyalty_portal.web.health.replica",
    "redemption.saga.state.work",
    "redemption.saga.state.orders",
    "redemption.saga.state.points",
    "redemption.saga.state.net_effect",
    "redemption.saga.state.incidents",
    "redemption.saga.state.reconciliation",
    "inventory.selectors.reservations_told",
]
