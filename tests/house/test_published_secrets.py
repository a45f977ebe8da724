"""Production refuses every secret that is published in the repository, and names the variable."""

import os
import re
import subprocess
import sys
from base64 import urlsafe_b64encode
from secrets import token_bytes, token_urlsafe

import pytest

from loyalty_portal.configuration.published import digest, is_published
from tests.house.env_files import ROOT, production, read
from tests.house.published_secrets import found_in, in_the_repository
from tests.house.test_environment import start

WEBHOOK = "whsec_Zm9yIHRyeWluZyBvdXQgb25seSwgMzIgYnl0ZXMhISE="
OWN = "of-this-operator-only"  # fixed: it is part of the names of tests
KNOWN = "holds a secret that stands in the portal's own repository"


def refused(**variables: str) -> set[str]:
    """The variables that production names when it refuses to start with these."""
    done = start(**production(**variables))
    return set(re.findall(r"^  - ([A-Z_]+): ", done.stderr, re.MULTILINE))


def test_every_secret_of_the_repository_is_refused() -> None:
    known = in_the_repository()
    assert len(known) > 20
    # Fails for a new example secret: add its digest to loyalty_portal/configuration/published.py.
    missing = {digest(said): file for said, file in known.items() if not is_published(said)}
    assert missing == {}


@pytest.mark.parametrize(
    "shape",
    [
        "FULFILLMENT_WEBHOOK_SECRETS=whsec_{base64}",
        '"{base64}"',
        "postgresql://portal:{word}@db:5432/portal",
        'PASSWORD = "{word}"',
        '{{"client_secret": "{word}"}}',
        'api_key: str = "{word}"',
        "LOYALTY_API_KEY={word}",
        "  POSTGRES_PASSWORD: {word}",
        "${{POSTGRES_PASSWORD:-{word}}}",
        'SECRET_KEY = env.text("SECRET_KEY", "{word}" if DEBUG else "")',
    ],
)
def test_the_search_sees_a_new_secret_in_each_of_its_shapes(shape: str) -> None:
    """The control: an unlisted secret is found."""
    base64 = urlsafe_b64encode(token_bytes(32)).decode()
    found = found_in(shape.format(base64=base64, word=token_urlsafe()))
    assert found
    assert not any(is_published(said) for said in found)


def test_the_trials_file_is_refused_as_production() -> None:
    trial = read(".env.demo") | {"DEBUG": "false"}
    own = {name: production()[name] for name in ("SECRET_KEY", "PORTAL_URL", "ALLOWED_HOSTS")}
    done = start(**trial) if not own else start(**(trial | own))
    assert done.returncode != 0
    named = set(re.findall(rf"^  - ([A-Z_]+): {KNOWN}", done.stderr, re.MULTILINE))
    assert named == {
        "DATABASE_URL",
        "REDIS_URL",
        "LOYALTY_OAUTH_CLIENT_SECRET",
        "FULFILLMENT_API_KEY",
        "FULFILLMENT_WEBHOOK_SECRETS",
        "FIELD_ENCRYPTION_KEYS",
        "POSTGRES_PASSWORD",
        "PORTAL_DATABASE_PASSWORD",
        "REDIS_PASSWORD",
    }
    assert not any(secret in done.stderr for secret in in_the_repository() if len(secret) > 12)


def test_a_published_secret_is_refused_wherever_it_stands() -> None:
    everywhere = {
        "SECRET_KEY": "insecure-key-for-trying-out-never-for-production-use",
        "LOYALTY_API_KEY": "sandbox-key",
        "LOYALTY_OAUTH_CLIENT_SECRET": "portal-secret",
        "FULFILLMENT_API_KEY": "sandbox-key",
        "FULFILLMENT_OAUTH_CLIENT_SECRET": "portal-secret",
        "PAGERDUTY_ROUTING_KEY": "the-routing-key",
        "REPLICA_DATABASE_URL": "postgresql://portal:redeem-demo-2026@replica:5432/portal",
        "BROKER_URL": "redis://:demo-redis-password@redis:6379/0",
        "EMAIL_URL": "smtp+tls://user:password@host:587",
    }
    assert set(everywhere) <= refused(**everywhere)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # one in a list; the webhook secret as a field key, in either base64
        ("FULFILLMENT_WEBHOOK_SECRETS", f"whsec_{'QUJD' * 11},{WEBHOOK}"),
        ("FIELD_ENCRYPTION_KEYS", WEBHOOK.removeprefix("whsec_")),
        ("DATABASE_URL", "postgresql://portal:correct%20horse%20battery%20staple@db:5432/portal"),
        # the second of several addresses
        ("REDIS_URL", f"redis://:{OWN}@one:6379/0,redis://:demo-redis-password@two:6379/0"),
        ("BROKER_URL", f"redis://:{OWN}@one:6379/0;redis://:demo-redis-password@two:6379/0"),
    ],
)
def test_a_published_secret_in_another_dress_is_refused(name: str, value: str) -> None:
    assert name in refused(**{name: value})


def test_a_published_secret_in_the_query_of_an_address_is_refused_or_as_its_user() -> None:
    """The libraries that connect read passwords there, before or instead of the usual place."""
    inside = {
        "REDIS_URL": "redis://127.0.0.1:6379/0?password=demo-redis-password",
        "BROKER_URL": f"redis://:{OWN}@127.0.0.1:6379/0?db=1&password=demo%2Dredis%2Dpassword",
        "DATABASE_URL": "postgresql://portal@db/portal?password=demo-database-password",
        "REPLICA_DATABASE_URL": "postgresql://portal@db/portal?password=correct+horse+battery+staple",
        "EMAIL_URL": "smtp+tls://demo-redis-password@host:587",
        "PAGERDUTY_URL": "https://events.example/?api=a&routing=the-routing-key",
    }
    assert set(inside) == refused(**inside)
    own = {name: value.partition("?")[0] for name, value in inside.items() if name != "EMAIL_URL"}
    assert refused(**own) == set()


PARTNERS = (
    "LOYALTY_API_URL",
    "LOYALTY_OAUTH_TOKEN_URL",
    "FULFILLMENT_API_URL",
    "FULFILLMENT_OAUTH_TOKEN_URL",
    "PAGERDUTY_URL",
)
OAUTH = {
    f"{partner}_OAUTH_{part}": token_urlsafe()
    for partner in ("LOYALTY", "FULFILLMENT")
    for part in ("CLIENT_ID", "CLIENT_SECRET")
}


def test_a_partner_over_http_is_refused() -> None:
    done = start(**production(**dict.fromkeys(PARTNERS, "http://partner.example/v1"), **OAUTH))
    for name in PARTNERS:
        assert f"{name}: production needs https://" in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1:9100", "localhost", "[::1]:9100"])
def test_a_partner_over_http_on_this_machine_is_fine(host: str) -> None:
    done = start(**production(**dict.fromkeys(PARTNERS, f"http://{host}/v1"), **OAUTH))
    assert done.returncode == 0, done.stderr


def test_debug_is_refused_under_a_name_that_others_may_reach() -> None:
    hosts = ["portal.example", ".portal.example", "*", "10.1.2.3", "0.0.0.0", "[2001:db8::1]"]
    done = start(**(read(".env.demo") | {"ALLOWED_HOSTS": ",".join(["localhost", *hosts])}))
    assert done.returncode != 0
    for host in hosts:
        assert f"DEBUG: is on, but ALLOWED_HOSTS has {host!r}" in done.stderr


def test_debug_is_refused_with_an_address_that_others_may_reach() -> None:
    public = {
        "ALLOWED_HOSTS": "web,localhost",
        "PORTAL_URL": "https://portal.example",
        "CSRF_TRUSTED_ORIGINS": "http://localhost:8000,https://*.portal.example",
    }
    done = start(**(read(".env.demo") | public))
    assert done.returncode != 0
    assert "DEBUG: is on, but PORTAL_URL has 'https://portal.example'" in done.stderr
    assert "DEBUG: is on, but CSRF_TRUSTED_ORIGINS has 'https://*.portal.example'" in done.stderr
    assert done.stderr.count("DEBUG: ") == 2


def test_debug_is_fine_on_this_machine_and_between_containers() -> None:
    hosts = "localhost,127.0.0.1,127.1.2.3,[::1],web,portal"
    origins = "http://[::1]:8000,http://web:8000"
    for address in ("http://localhost:8000", "http://web:8000", "http://[::1]:8000"):
        named = {
            "ALLOWED_HOSTS": hosts,
            "PORTAL_URL": address,
            "CSRF_TRUSTED_ORIGINS": origins,
        }
        done = start(**(read(".env.demo") | named))
        assert done.returncode == 0, done.stderr


def test_a_person_of_production_cannot_take_a_password_of_our_examples() -> None:
    check = (
        "import django; django.setup()\n"
        "from django.contrib.auth.password_validation import validate_password\n"
        "validate_password('redeem-demo-2026')"
    )
    done = subprocess.run(
        [sys.executable, "-c", check],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | production(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "is published in the portal's documentation" in done.stderr
