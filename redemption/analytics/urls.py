"""The addresses of reports in the back office; the site adds them under settings.ADMIN_PAGES."""

from django.contrib import admin
from django.urls import URLPattern, path

from redemption.analytics import views


def pages() -> list[URLPattern]:
    """The pages, each for signed-in staff."""
    guard = admin.site.admin_view
    return [
        path("reports/", guard(views.list_reports), name="redemption_reports"),
        path(
            "reports/schedules/<uuid:key>/<slug:verb>/",
            guard(views.change_schedule),
            name="redemption_report_schedule_change",
        ),
        path("reports/<slug:name>/", guard(views.show_report), name="redemption_report"),
        path(
            "reports/<slug:name>/export/<slug:table>/<slug:form>/",
            guard(views.export_report),
            name="redemption_report_export",
        ),
        path(
            "reports/<slug:name>/schedule/",
            guard(views.schedule),
            name="redemption_report_schedule",
        ),
    ]
