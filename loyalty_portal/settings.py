"""All settings, read from environment variables (docs/operations.md, .env.example)."""

from pathlib import Path

import django_stubs_ext
from celery.schedules import crontab
from redis.backoff import NoBackoff
from redis.retry import Retry

from loyalty_portal.admin_site import site
from loyalty_portal.configuration import (
    access,
    api,
    content_policy,
    databases,
    logs,
    processes,
    production,
    queue,
    static_files,
    tokens,
    traces,
    webhooks_out,
    wiring,
)
from loyalty_portal.configuration.environment import Environment
from loyalty_portal.configuration.secrets import is_field_key, is_webhook_secret
from loyalty_portal.http.cache import connection_class

# Makes ModelAdmin[Product] and the like work; needed before models are imported.
django_stubs_ext.monkeypatch()
processes.collect_garbage_less_often()
env = Environment()
BASE_DIR = Path(__file__).resolve().parent.parent

# --- The process ---------------------------------------------------------------------------
DEBUG = env.flag("DEBUG", default=False)
SHOW_PARTS = DEBUG  # the page /ui/, for whoever builds pages
SECRET_KEY = env.text("SECRET_KEY", "insecure-development-key" if DEBUG else "")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if DEBUG else "")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
PORTAL_URL = env.url("PORTAL_URL", "http://127.0.0.1:8000" if DEBUG else "")
TRUSTED_PROXY_COUNT = env.count("TRUSTED_PROXY_COUNT", 0, high=10)
processes.check(env)
METRICS_HOST = processes.metrics_host(env)

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # before the admin, whose templates it replaces
    "loyalty_portal.admin_site.site.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
    "django_htmx",
    "django_countries",
    "csp",
    "pgtrigger",
    "pghistory",
    "loyalty_portal",
    "loyalty_portal.audit",
    "loyalty_portal.jobs",
    "loyalty_portal.feed",
    "accounts",
    "catalog",
    "inventory",
    "fulfillment",
    "redemption",
    "operations",
]

MIDDLEWARE = [
    "loyalty_portal.metrics.requests.counted",
    "loyalty_portal.configuration.observability.access.tell_requests",
    "django.middleware.security.SecurityMiddleware",
    "loyalty_portal.web.health.straight_in",
    "redemption.saga.webhooks.straight_in",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "loyalty_portal.http.content_policy.ContentPolicyMiddleware",
    "loyalty_portal.http.responses.private_by_default",
    "loyalty_portal.api.straight_in.straight_in",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.views.SeatMiddleware",
    "accounts.views.ReaderMiddleware",
    "loyalty_portal.data.history.StaffHistoryMiddleware",
    "loyalty_portal.data.replica.read_own_writes",
]

ROOT_URLCONF = "loyalty_portal.web.urls"
# GETs change nothing, so they need no context.
PGHISTORY_MIDDLEWARE_METHODS = ("POST", "PUT", "PATCH", "DELETE")
WSGI_APPLICATION = "loyalty_portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "loyalty_portal.configuration.brand.context",
                "accounts.layout.context",
            ],
            "libraries": {
                name: f"loyalty_portal.web.tags.{name}"
                for name in ("figures", "files", "moments", "sentences")
            },
        },
    },
]

# Names of functions of higher rooms (loyalty_portal/configuration/wiring.py).
LAYOUT_PROVIDERS, HOME_CARDS = wiring.LAYOUT_PROVIDERS, wiring.HOME_CARDS
SPENDING, SPENDING_BY_MONTH = wiring.SPENDING, wiring.SPENDING_BY_MONTH
FULFILLMENT_LISTENER, ADMIN_SEARCH = wiring.FULFILLMENT_LISTENER, wiring.ADMIN_SEARCH
FEED_SOURCES, FEED_READERS = wiring.FEED_SOURCES, wiring.FEED_READERS
WORK_QUEUES, JOB_KINDS, ADMIN_PAGES = wiring.WORK_QUEUES, wiring.JOB_KINDS, wiring.ADMIN_PAGES
WAITING = wiring.WAITING
STATE_SOURCES, PROCESS_STATES = wiring.STATE_SOURCES, wiring.PROCESS_STATES
READY_PARTS, WEB_STATES = wiring.READY_PARTS, wiring.WEB_STATES
API_CALLER, API_ROUTERS, OTHER_SECRETS = wiring.API_CALLER, wiring.API_ROUTERS, wiring.OTHER_SECRETS

# False uses plain querysets, templates and Django's connection check (loyalty_portal/fastpath).
FASTPATH = env.flag("FASTPATH", default=True)

# Set after restoring a backup: nothing is sent until people have checked it (operations.md).
PORTAL_PAUSED = env.flag("PORTAL_PAUSED", default=False)

# --- Databases -----------------------------------------------------------------------------
DATABASES = databases.databases(env, debug=DEBUG)
REPLICA_MAX_LAG = databases.longest_lag(env)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: cache, copies of sessions, and the broker. PostgreSQL alone is the truth --------
REDIS_URL = env.redis("REDIS_URL", "redis://127.0.0.1:6379/0")
REDIS_TIMEOUT = 1.0  # seconds; a slower Redis or broker counts as absent
_broker = queue.broker(env, cache=REDIS_URL, timeout=REDIS_TIMEOUT)
BROKER_URL = _broker.url
CACHES = {
    "default": {
        "BACKEND": "loyalty_portal.http.cache.PortalCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "portal",
        "OPTIONS": {
            "SOCKET_CONNECT_TIMEOUT": REDIS_TIMEOUT,
            "SOCKET_TIMEOUT": REDIS_TIMEOUT,
            "IGNORE_EXCEPTIONS": True,
            "CONNECTION_POOL_KWARGS": {
                "connection_class": connection_class(REDIS_URL),
                "retry": Retry(NoBackoff(), 0),
            },
        },
    },
    # Template fragments that are the same for many people, in each process.
    "local": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 1000},
    },
    # Counts limits while Redis does not answer. It is so large that nobody can push a count out by
    # trying other accounts, because each IP address may fail only a limited number of times.
    "limits": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "limits",
        "OPTIONS": {"MAX_ENTRIES": 50_000},
    },
}
SESSION_ENGINE = "loyalty_portal.http.sessions"
SESSION_COOKIE_AGE = 14 * 24 * 3600

# The worker, the sweeper and the scheduler touch it; see loyalty_portal.queue.heartbeat.
HEARTBEAT_FILE = env.text("HEARTBEAT_FILE")

CELERY_BROKER_URL = BROKER_URL
CELERY_BROKER_TRANSPORT, CELERY_BROKER_TRANSPORT_OPTIONS = _broker.transport, _broker.options
CELERY_BROKER_CONNECTION_TIMEOUT = REDIS_TIMEOUT
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = wiring.TASK_ROUTES
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_DB_REUSE_MAX = 10**9  # tasks; loyalty_portal.celery explains it
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "clear-sessions": {"task": "accounts.tasks.clear_sessions", "schedule": 24 * 3600.0},
    "end-viewings": {"task": "accounts.tasks.end_viewings", "schedule": 300.0},
    "tell-expiring-keys": {"task": "accounts.tasks.tell_expiring_keys", "schedule": 3600.0},
    "watch-stock": {"task": "redemption.tasks.watch_stock", "schedule": 600.0},
    "refresh-cards": {"task": "catalog.tasks.refresh_cards", "schedule": 600.0},
    "write-popularity": {
        "task": "redemption.tasks.write_popularity",
        "schedule": crontab(hour=3, minute=15),
    },
    "log-audit-head": {"task": "audit.tasks.log_head", "schedule": crontab(hour=0, minute=5)},
    # At night, when yesterday is over and few orders are in progress.
    "reconcile": {"task": "redemption.tasks.reconcile_all", "schedule": crontab(hour=2, minute=30)},
}
CELERY_BEAT_SCHEDULER = "loyalty_portal.queue.scheduler:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 15  # seconds between two ticks, and so between two heartbeats
if PORTAL_PAUSED:
    CELERY_BEAT_SCHEDULE = {}
CELERY_BEAT_SCHEDULE_FILENAME = env.text("BEAT_SCHEDULE_FILE", "/tmp/portal-beat")  # noqa: S108 - a cache of beat's, safe to lose

# --- Partners ------------------------------------------------------------------------------
LOYALTY_API_URL = env.url("LOYALTY_API_URL", "http://127.0.0.1:9100/loyalty" if DEBUG else "")
LOYALTY_API_KEY = env.text("LOYALTY_API_KEY")
LOYALTY_OAUTH_TOKEN_URL = env.url("LOYALTY_OAUTH_TOKEN_URL")
LOYALTY_OAUTH_CLIENT_ID = env.text("LOYALTY_OAUTH_CLIENT_ID")
LOYALTY_OAUTH_CLIENT_SECRET = env.text("LOYALTY_OAUTH_CLIENT_SECRET")
LOYALTY_API_IDEMPOTENT = env.flag("LOYALTY_API_IDEMPOTENT", default=True)
LOYALTY_API_STATEMENT = env.flag("LOYALTY_API_STATEMENT", default=True)
LOYALTY_API_KEY_RETENTION = env.seconds(
    "LOYALTY_API_KEY_RETENTION", 86400, low=60, high=365 * 86400
)
FULFILLMENT_API_URL = env.url(
    "FULFILLMENT_API_URL", "http://127.0.0.1:9100/fulfillment" if DEBUG else ""
)
FULFILLMENT_API_KEY_RETENTION = env.seconds(
    "FULFILLMENT_API_KEY_RETENTION", 86400, low=60, high=365 * 86400
)
FULFILLMENT_API_RESEND = env.flag("FULFILLMENT_API_RESEND", default=False)
FULFILLMENT_API_KEY = env.text("FULFILLMENT_API_KEY")
FULFILLMENT_OAUTH_TOKEN_URL = env.url("FULFILLMENT_OAUTH_TOKEN_URL")
FULFILLMENT_OAUTH_CLIENT_ID = env.text("FULFILLMENT_OAUTH_CLIENT_ID")
FULFILLMENT_OAUTH_CLIENT_SECRET = env.text("FULFILLMENT_OAUTH_CLIENT_SECRET")
FULFILLMENT_WEBHOOK_SECRETS = env.words("FULFILLMENT_WEBHOOK_SECRETS")
PARTNER_TIMEOUT = env.seconds("PARTNER_TIMEOUT", 10, low=0.1, high=60)
PARTNER_DEADLINE = env.seconds("PARTNER_DEADLINE", 20, low=0.1, high=120)
WEBHOOK_ALLOWED_NETWORKS = webhooks_out.networks(env, debug=DEBUG)
WEBHOOK_TIMEOUT = env.seconds("WEBHOOK_TIMEOUT", 15, low=0.1, high=60)
JOB_FILES_KEPT_DAYS = env.count("JOB_FILES_KEPT_DAYS", 14, low=1, high=3650)

for _partner in ("LOYALTY", "FULFILLMENT"):
    if not globals()[f"{_partner}_API_URL"]:
        env.wrong(f"{_partner}_API_URL", "is missing; the portal cannot work without the partner.")
    _oauth = [
        globals()[f"{_partner}_OAUTH_{part}"]
        for part in ("TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET")
    ]
    if any(_oauth) and not all(_oauth):
        env.wrong(
            f"{_partner}_OAUTH_TOKEN_URL",
            "needs its CLIENT_ID and CLIENT_SECRET; set all three or none.",
        )
    if not DEBUG and not globals()[f"{_partner}_API_KEY"] and not all(_oauth):
        env.wrong(f"{_partner}_API_KEY", "set it, or the three OAuth variables.")
if PARTNER_TIMEOUT > PARTNER_DEADLINE:
    env.wrong("PARTNER_TIMEOUT", "must not be longer than PARTNER_DEADLINE.")
if not all(map(is_webhook_secret, FULFILLMENT_WEBHOOK_SECRETS)):
    env.wrong("FULFILLMENT_WEBHOOK_SECRETS", "each must be whsec_ and at least 24 bytes in base64.")
if not DEBUG and not FULFILLMENT_WEBHOOK_SECRETS:
    env.wrong("FULFILLMENT_WEBHOOK_SECRETS", "is missing; callbacks could not be verified.")

# --- Secrets at rest -----------------------------------------------------------------------
FIELD_ENCRYPTION_KEYS = env.words(
    "FIELD_ENCRYPTION_KEYS",
    "aW5zZWN1cmUgZGV2ZWxvcG1lbnQga2V5IDMyYnl0ZXM=" if DEBUG else "",
)
if not all(map(is_field_key, FIELD_ENCRYPTION_KEYS)):
    env.wrong("FIELD_ENCRYPTION_KEYS", "each must be 32 bytes in URL-safe base64, newest first.")
if not FIELD_ENCRYPTION_KEYS:
    env.wrong("FIELD_ENCRYPTION_KEYS", "is missing; codes are never stored in the clear.")

# --- People --------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.SeatsBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
SECOND_FACTOR_URL = "mfa_index"  # where people set one up
BRAND = {
    "name": env.text("BRAND_NAME", "Meridian Rewards"),
    "accent": env.text("BRAND_ACCENT", ""),
    "logo": env.text("BRAND_LOGO", ""),
}
vars().update(access.sign_in_settings(BRAND["name"]))

# --- The API (loyalty_portal/configuration/api.py) -------------------------------------------
API_KEY_ENVIRONMENT, API_RATE_KEY, API_RATE_COMPANY = api.read(env)
JWT_SIGNING_KEYS, JWT_ACCESS_SECONDS, JWT_REFRESH_SECONDS = tokens.read(env, debug=DEBUG)

# --- Letters and text messages -------------------------------------------------------------
vars().update(env.email("EMAIL_URL", "consolemail://" if DEBUG else "smtp://localhost:25"))
EMAIL_TIMEOUT = 10
SMS_URL, SMS_KEY = env.url("SMS_URL"), env.text("SMS_KEY")
if SMS_URL and not SMS_KEY:
    env.wrong("SMS_KEY", "is missing; the provider of SMS_URL would not know us.")
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "Loyalty Portal <no-reply@portal.example>")

# --- Numbers of the programme: hours of a member's orders that count towards the threshold ---
APPROVAL_WINDOW_HOURS = env.count("APPROVAL_WINDOW_HOURS", 24, high=24 * 366)
# Within which somebody of the programme looks at an order that needs attention, again and again.
ATTENTION_HOURS = env.count("ATTENTION_HOURS", 24, low=1, high=24 * 31)
# How many pieces of a product are few, where neither it nor its category says so.
LOW_STOCK_AT = env.count("LOW_STOCK_AT", 5, high=1_000_000)
# The points of an order that one person may give back for units.
CREDIT_LIMIT_POINTS = env.count("CREDIT_LIMIT_POINTS", 10_000, high=2_000_000_000)

# --- Alerts about incidents: to PagerDuty when its key is set, else by e-mail --------------
PAGERDUTY_ROUTING_KEY = env.text("PAGERDUTY_ROUTING_KEY")
PAGERDUTY_URL = env.url("PAGERDUTY_URL", "https://events.pagerduty.com")
ALERT_EMAILS = env.words("ALERT_EMAILS")
for _address in ALERT_EMAILS:
    if not all(_address.partition("@")):
        env.wrong("ALERT_EMAILS", f"{_address!r} is not an e-mail address.")

# --- Language, time, files, brand ----------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]  # each with its own name for itself
LOCALE_PATHS = [BASE_DIR / "locale", BASE_DIR / "locale" / "libraries"]
FORMAT_MODULE_PATH = ["loyalty_portal.configuration.formats"]
# The programme's: reports count its days. The database keeps UTC.
TIME_ZONE = env.zone("PROGRAMME_TIME_ZONE", "UTC")
USE_TZ = True
USE_THOUSAND_SEPARATOR = True
STATIC_HOST = static_files.static_host(env)
STATIC_URL = STATIC_HOST + static_files.PATH
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = static_files.FINDERS
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(BASE_DIR / ".local" / "static")))
# Uploaded pictures; the web processes share this folder (docs/operations.md).
MEDIA_ROOT = Path(env.text("MEDIA_ROOT", str(BASE_DIR / ".local" / "media")))
# The search index of this machine, which `index_catalog` writes and the web processes read.
SEARCH_INDEX_PATH = Path(env.text("SEARCH_INDEX_PATH", str(BASE_DIR / ".local" / "search")))
# Seconds that it may be behind; an older one is not asked.
SEARCH_MAX_LAG = env.seconds("SEARCH_MAX_LAG", 300, low=10, high=86400)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
UNFOLD = site.unfold_settings(BRAND["name"])

# --- Safety in the browser -----------------------------------------------------------------
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = not DEBUG
SECURE_SSL_REDIRECT = not DEBUG
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$"]  # probes use plain HTTP from inside
SECURE_HSTS_SECONDS = int(
    env.seconds("SECURE_HSTS_SECONDS", 0 if DEBUG else 365 * 86400, low=0, high=10 * 365 * 86400)
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=not DEBUG)
SECURE_HSTS_PRELOAD = env.flag("SECURE_HSTS_PRELOAD", default=not DEBUG)
# Without a proxy the header is the client's own word.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
CONTENT_SECURITY_POLICY = content_policy.policy(STATIC_HOST)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# --- Logs and traces ------------------------------------------------------------------------
LOG_FORMAT = logs.log_format(env, debug=DEBUG)
LOGGING = logs.logging_settings(LOG_FORMAT)
OTEL_ENDPOINT, OTEL_SAMPLED, SENTRY_DSN = traces.read(env)

if DEBUG:
    production.refuse_public_debug(
        env,
        ALLOWED_HOSTS,
        {"PORTAL_URL": [PORTAL_URL], "CSRF_TRUSTED_ORIGINS": CSRF_TRUSTED_ORIGINS},
    )
else:
    production.refuse_unsafe(env, secret_key=SECRET_KEY, hosts=ALLOWED_HOSTS, address=PORTAL_URL)
    AUTH_PASSWORD_VALIDATORS.append(
        {"NAME": "loyalty_portal.configuration.published.NotPublishedValidator"},
    )
env.finish()
