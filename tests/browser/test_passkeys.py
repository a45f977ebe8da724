"""A passkey in a real browser, with its virtual authenticator, under the portal's policy."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from allauth.mfa.models import Authenticator
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from tests.accounts.factories import PASSWORD, UserFactory
from tests.browser.window import Window
from tests.support.stack import Stack

pytestmark = pytest.mark.browser
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def window(browser: Browser, stack: Stack) -> Window:
    """A window at `localhost`, with a device that keeps passkeys: they are for names of hosts, and
    not for addresses.
    """
    made = Window(browser, f"http://localhost:{urlsplit(stack.url).port}")
    devices = made.page.context.new_cdp_session(made.page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    return made


def test_staff_set_a_passkey_up_and_sign_in_with_it_alone(window: Window) -> None:
    person: User = UserFactory.create(superuser=True)
    page = window.go("/admin/")
    with_password(page, person)
    # They are led to set one up.
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your recovery codes")
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("Laptop")).to_be_visible()
    assert Authenticator.objects.filter(user=person, type="webauthn").count() == 1

    page.context.clear_cookies()
    window.go("/accounts/login/?next=/admin/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(f"{window.url}/admin/")

    # As the second step after the password, too.
    page.context.clear_cookies()
    with_password(window.go("/admin/"), person)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(f"{window.url}/admin/")
    window.close()
    assert window.complaints == []


def with_password(page: Page, person: User) -> None:
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
