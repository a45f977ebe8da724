"""Reports in a browser: narrowed by a link, exported, sent by e-mail, and fit for everybody."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from redemption.analytics.services import rebuild_figures
from redemption.models import ReportSchedule
from tests.browser.scene import Scene
from tests.browser.window import Window
from tests.support.staff import staff

pytestmark = pytest.mark.browser

Opener = Callable[..., Window]
PAGES = ("/admin/reports/", "/admin/reports/redeemed/?period=month", "/admin/reports/outcomes/")


def test_a_report_is_narrowed_exported_scheduled_and_fit_for_everybody(
    scene: Scene, open_window: Opener
) -> None:
    rebuild_figures()  # the sweeper counts once a minute
    window = open_window(staff("finance"))
    page = window.go("/admin/reports/")
    page.get_by_role("link", name="Redemptions").click()
    page.get_by_label("Time").select_option("month")
    page.get_by_label("Rows").select_option("company")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name=scene.company.name, exact=True).click()
    expect(page.get_by_label("Company")).to_have_value(scene.company.loyalty_account_id)
    expect(page.get_by_role("img", name="Chart of Points redeemed")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="as XLSX").click()
    assert download.value.suggested_filename.endswith(".xlsx")
    page.get_by_label("How often").select_option("WEEKLY")
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_text("You get a link to it each Monday")).to_be_visible()
    assert ReportSchedule.objects.get().asked["company"] == scene.company.loyalty_account_id
    assert not window.finds_for_everybody([*PAGES, page.url.removeprefix(window.url)])
