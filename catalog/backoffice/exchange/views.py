"""The pages that import and export products. The work itself is done by jobs."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.forms import Form
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action

from catalog.backoffice.bulk.selection import products_of, read_selection
from catalog.backoffice.bulk.views import COUNTED, address_of
from catalog.backoffice.exchange.forms import ExportForm, ImportForm
from catalog.backoffice.exchange.reading import (
    CHANGED,
    ENDED_EARLY,
    NEW,
    ON_A_PAGE,
    WRONG,
    import_of,
    rows_shown,
)
from catalog.models import Product
from loyalty_portal.admin_site.base import KeptAdmin
from loyalty_portal.admin_site.refusals import RefusedError
from loyalty_portal.admin_site.verbs import Act, actor_of
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.jobs.admin import begun
from loyalty_portal.jobs.files import give_file
from loyalty_portal.jobs.models import Job
from loyalty_portal.jobs.services import start_job
from loyalty_portal.jobs.states import JobStatus

# The title of a page of rows, and the figure of the preview that counts them all.
WHAT_IS_SHOWN = {
    CHANGED: (gettext_lazy("What would change"), "changed"),
    NEW: (gettext_lazy("New products"), "created"),
    WRONG: (gettext_lazy("Rows that are wrong"), "wrong"),
}
_MAY_IMPORT, _MAY_EXPORT = "catalog.import_products", "catalog.export_products"


class Exchanging(KeptAdmin[Product]):
    """Adds import and export to the list of products."""

    def get_urls(self) -> list[URLPattern]:
        views: dict[str, tuple[Callable[..., HttpResponse], str]] = {
            "import/": (self.import_view, "import"),
            "import/<uuid:object_id>/": (self.write_view, "write_import"),
            "import/<uuid:object_id>/rows/<slug:what>/": (self.rows_view, "import_rows"),
            "export/": (self.export_view, "export"),
        }
        ours = [
            path(route, self.admin_site.admin_view(view), name=f"catalog_product_{name}")
            for route, (view, name) in views.items()
        ]
        return [*ours, *super().get_urls()]

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(_MAY_EXPORT)

    def has_import_page_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(_MAY_IMPORT)

    @action(  # type: ignore[untyped-decorator] # the theme carries no types
        description=gettext_lazy("Import …"), permissions=["import_page"]
    )
    def import_page(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - the theme's
        return HttpResponseRedirect(reverse("admin:catalog_product_import"))

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Take a file, and have it read."""
        _must_have(request, _MAY_IMPORT)
        posted = request.method == "POST"
        form = ImportForm(request.POST, request.FILES) if posted else ImportForm()
        if not posted or not form.is_valid():
            label = gettext_lazy("Read and preview")
            title = _("Import products")
            return self._form(request, title, form, label, "admin/catalog/import.html")
        sent, worth = form.cleaned_data["file"], form.cleaned_data["points_per_unit"]
        asked = {
            "format": form.cleaned_data["format"],
            "points_per_unit": None if worth is None else str(worth),
            "name": sent.name,
        }
        with transaction.atomic():
            job = start_job(kind="catalog.preview_import", parameters=asked, by=actor_of(request))
            kind = "application/octet-stream"
            give_file(job=job, name=sent.name, content_type=kind, chunks=sent.chunks())
        return begun(job)

    def write_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Import what a preview has shown, once; again only after a stop or a failure."""
        _must_have(request, _MAY_IMPORT)
        with transaction.atomic():
            previews = Job.objects.select_for_update(of=("self",), no_key=True)
            read = previews.filter(pk=object_id, kind="catalog.preview_import").first()
            if read is None or read.status != JobStatus.DONE:
                raise Http404
            if request.method != "POST":
                return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[object_id]))
            job = import_of(read)
            if job is None or job.status in ENDED_EARLY:
                asked = {
                    "preview": str(object_id),
                    "skip_bad_rows": request.POST.get("wrong") == "skip",
                    "name": read.parameters["name"],
                }
                job = start_job(kind="catalog.import", parameters=asked, by=actor_of(request))
                Job.objects.filter(pk=read.pk).update(state={**read.state, "import": str(job.pk)})
        return begun(job)

    def rows_view(self, request: HttpRequest, object_id: UUID, what: str) -> HttpResponse:
        """Show what a preview has found, page by page: each difference before it is written."""
        _must_have(request, _MAY_IMPORT)
        read = Job.objects.filter(pk=object_id, kind="catalog.preview_import").first()
        if read is None or what not in WHAT_IS_SHOWN:
            raise Http404
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        title, counted = WHAT_IS_SHOWN[what]
        after = request.GET.get("after", "")
        first = int(after) if after.isdecimal() and len(after) < 19 else 0
        found = rows_shown(read, what, first)
        shown = found[:ON_A_PAGE]
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "media": self.media,
            "read": read,
            "rows": shown,
            "what": what,
            "number": read.result.get(counted, 0),
            "begins": bool(first),
            "after": shown[-1].pk if len(found) > ON_A_PAGE else None,
        }
        return TemplateResponse(request, "admin/catalog/import_rows.html", context)

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Say what is exported, and start it."""
        _must_have(request, _MAY_EXPORT)
        person: Any = request.user
        selection = read_selection(request.GET)
        form = ExportForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            asked = {"selection": selection, "format": form.cleaned_data["format"]}
            by = actor_of(request)
            with transaction.atomic():
                job = start_job(kind="catalog.export", parameters=asked, by=by)
                facts = {"format": asked["format"], "job": str(job.pk)}
                record(TrailKind.EXPORTED, by=by, what=_("Products"), facts=facts)
            return begun(job)
        number = len(products_of(selection, person).order_by().values_list("pk")[: COUNTED + 1])
        label, title = gettext_lazy("Export"), _("Export products")
        more = {"number": min(number, COUNTED), "more": number > COUNTED}
        return self._form(request, title, form, label, "admin/catalog/export.html", **more)

    def _form(
        self,
        request: HttpRequest,
        title: str,
        form: Form,
        label: Any,
        template: str,
        **more: object,
    ) -> TemplateResponse:
        act = Act(label=label, href="", form=form, tried=form.is_bound)
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "media": self.media,
            "act": act,
            **more,
        }
        status = 422 if form.is_bound else 200
        return TemplateResponse(request, template, context, status=status)


def _must_have(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise RefusedError(permission)


def export(_admin: Any, request: HttpRequest, _chosen: Any) -> HttpResponse:
    """The action of the list: export what is chosen."""
    return HttpResponseRedirect(address_of(request, "admin:catalog_product_export"))


export.short_description = gettext_lazy("Export …")  # type: ignore[attr-defined]
export.allowed_permissions = ["export"]  # type: ignore[attr-defined]
