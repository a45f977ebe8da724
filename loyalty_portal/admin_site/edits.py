"""Merges the edits of two people who edit the same row at the same time.

A form sends with each field the value that the page showed (Django's hidden initial values). Only
fields that its sender changed are written. A field that somebody else changed meanwhile keeps the
other value, and a message says so. If both changed the same field, nothing is written: the form
keeps what was typed, and the field says who changed what and when.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.forms.models import _get_foreign_key
from django.http import QueryDict
from django.utils.formats import localize
from django.utils.text import Truncator, capfirst, get_text_list
from django.utils.translation import gettext as _

from loyalty_portal.data.texts.times import exact

MOST_SHOWN = 80  # characters of a value in a message
_SEVERAL = (list, tuple, QuerySet)
MOST_LOOKED_AT = 50  # changes of a row that are searched for its last editor


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """A field that somebody else changed since the page was made. `how` says what changed."""

    label: str
    how: str
    who: str  # "" when no history names the person
    at: datetime | None

    def __str__(self) -> str:
        facts = {
            "field": capfirst(self.label),
            "how": self.how,
            "who": self.who or _("somebody"),
            "at": exact(self.at) if self.at else "",
        }
        if self.at:
            told = _("On %(at)s %(who)s changed “%(field)s” %(how)s.")
        else:
            told = _("Meanwhile %(who)s changed “%(field)s” %(how)s.")
        return told % facts


class EditedForm(forms.ModelForm[Any]):
    """A form that merges concurrent edits. `meanwhile` lists other people's changes that stay."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.meanwhile: list[Meanwhile] = []
        self._contested: dict[str, Meanwhile] = {}
        if self.instance._state.adding:  # noqa: SLF001 - public by Django's documentation
            return
        names = [name for name in self.fields if name in self.initial]
        # A sender without any initial values has seen no page, so there is nothing to compare.
        if self.is_bound and not any(self._seen(name) for name in names):
            return
        for name in names:
            self.fields[name].show_hidden_initial = True
            if self.is_bound:
                self._merge(name)

    def _seen(self, name: str) -> bool:
        start = self.add_initial_prefix(name)
        return start in self.data or f"{start}_0" in self.data

    def _merge(self, name: str) -> None:
        """Compare what the page showed, what was typed, and what the row has now."""
        field, bound = self.fields[name], self[name]
        now = field.prepare_value(self.get_initial_for_field(field, name))
        data: Any = cast("QueryDict", self.data).copy()
        _put(data, bound.html_initial_name, field.hidden_widget(), now)
        shown = field.hidden_widget().value_from_datadict(
            self.data, self.files, bound.html_initial_name
        )
        current = field.hidden_widget().value_from_datadict(
            data, self.files, bound.html_initial_name
        )
        before, present = _python(field, shown), _python(field, current)
        if not field.has_changed(before, current):
            return
        typed = bound.data
        changed = self._told(name, before, present)
        if not field.has_changed(before, typed):
            _put(data, bound.html_name, field.widget, now)
            self.meanwhile.append(changed)
        elif field.has_changed(present, typed):
            self._contested[name] = changed
        self.data = data

    def _told(self, name: str, before: Any, present: Any) -> Meanwhile:
        field = self.fields[name]
        who, at = _last_change(self.instance, name, str(field.label or name))
        return Meanwhile(str(field.label or name), _how(field, before, present), who, at)

    def _clean_fields(self) -> None:
        super()._clean_fields()  # type: ignore[misc] # Django has this hook, its stubs do not
        for name, changed in self._contested.items():
            over = _("Your value is kept here: save again to overwrite theirs.")
            self.add_error(name, f"{changed} {over}")

    @property
    def columns(self) -> list[str]:
        """The columns of the row to write: the changed ones, and those with automatic times."""
        own = self.instance._meta.concrete_fields
        changed = [field.name for field in own if field.name in self.changed_data]
        times = [field.name for field in own if getattr(field, "auto_now", False)]
        return [*changed, *times] if changed else []

    def save(self, commit: bool = True) -> Any:
        fresh = self.instance._state.adding  # noqa: SLF001 - public by Django's documentation
        if self.errors or fresh or not commit:
            return super().save(commit)
        self.instance.save(update_fields=self.columns)
        self._save_m2m()
        return self.instance

    def _save_m2m(self) -> None:
        """Save only the many-to-many fields that were changed."""
        cleaned = self.cleaned_data
        self.cleaned_data = {name: cleaned[name] for name in self.changed_data if name in cleaned}
        try:
            super()._save_m2m()  # type: ignore[misc] # Django has this hook, its stubs do not
        finally:
            self.cleaned_data = cleaned


def told_meanwhile(form: Any, formsets: Iterable[Any]) -> list[str]:
    """The messages about other people's changes, from a form and the forms of its inlines."""
    given = [form, *(each for formset in formsets for each in formset.forms)]
    return [str(told) for each in given for told in getattr(each, "meanwhile", ())]


def hold(model: type[Model], key: str, inlines: Iterable[Any]) -> None:
    """Lock a row and the rows of its inlines in the current transaction."""
    try:
        rows = model._default_manager.select_for_update(no_key=True)  # noqa: SLF001 - public
        list(rows.filter(pk=key))
    except (ValidationError, ValueError):
        return  # not a valid key; the page shows the error
    for inline in inlines:
        link = _get_foreign_key(model, inline.model, fk_name=inline.fk_name)
        rows = inline.model._default_manager.select_for_update(no_key=True)  # noqa: SLF001 - public
        list(rows.filter(**{link.name: key}).order_by("pk"))


def _put(data: QueryDict, name: str, widget: forms.Widget, value: Any) -> None:
    """Put a value into form data as if it had been typed. `value` comes from `prepare_value`."""
    if isinstance(widget, forms.MultiWidget):
        parts: Any = widget
        split = zip(parts.widgets_names, parts.widgets, parts.decompress(value), strict=True)
        for ending, part, one in split:
            _put(data, f"{name}{ending}", part, one)
    elif isinstance(value, list | tuple | QuerySet):
        data.setlist(name, [str(one) for one in value])
    else:
        data[name] = forms.HiddenInput().format_value(value) or ""


def _python(field: forms.Field, value: Any) -> Any:
    """Convert a submitted value with the field; return it unchanged if it is invalid."""
    try:
        return field.to_python(value)
    except ValidationError:
        return value


def _how(field: forms.Field, before: Any, now: Any) -> str:
    """What changed, after the field's name. Of several values only those that differ."""
    several = isinstance(before, _SEVERAL) or isinstance(now, _SEVERAL)
    if isinstance(field, forms.MultiValueField) or not several:
        facts = {"before": _shown(field, before), "now": _shown(field, now)}
        return _("from “%(before)s” to “%(now)s”") % facts
    old, new = ([str(one) for one in values or ()] for values in (before, now))
    told = [
        (_("added %(values)s"), [one for one in new if one not in old]),
        (_("took away %(values)s"), [one for one in old if one not in new]),
    ]
    said = [words % {"values": _quoted(values)} for words, values in told if values]
    return "({})".format("; ".join(said))


def _quoted(values: list[str]) -> str:
    return get_text_list([f"“{one}”" for one in values], _("and"))


def _shown(field: forms.Field, value: Any) -> str:
    """Show a value in a message."""
    if isinstance(field, forms.MultiValueField):
        return " ".join(str(part) for part in value or [] if part) or "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if value in (None, ""):
        return "–"
    choices = () if isinstance(value, Model) else getattr(field, "choices", ())
    word = {str(key): label for key, label in choices}.get(str(value)) if choices else None
    text = str(word if word is not None else localize(value))
    return Truncator(text).chars(MOST_SHOWN)


def _last_change(row: Model, name: str, label: str) -> tuple[str, datetime | None]:
    """Who last changed a column and when, from the history or the admin's log; ("", None) if
    unknown.
    """
    column = row._meta.get_field(name)
    changes: Any = getattr(row, "changes", None)
    attribute = getattr(column, "attname", name)
    if changes is None or not hasattr(changes.model, attribute):
        return _logged(row, label)
    value, found = getattr(row, attribute), None
    newest = changes.select_related("pgh_context").order_by("-pgh_created_at", "-pk")
    for change in newest[:MOST_LOOKED_AT]:
        if getattr(change, attribute) != value:
            break
        found = change
    if found is None:
        return _logged(row, label)
    context = found.pgh_context
    return _name((context.metadata if context else {}).get("user")), found.pgh_created_at


def _logged(row: Model, label: str) -> tuple[str, datetime | None]:
    """The same from the admin's log, which names changed fields by their labels."""
    kind = ContentType.objects.get_for_model(row)
    entries = LogEntry.objects.filter(content_type=kind, object_id=str(row.pk))
    entries = entries.order_by("-action_time")
    for entry in entries.select_related("user")[:MOST_LOOKED_AT]:
        if f'"{capfirst(label)}"' in entry.change_message or f'"{label}"' in entry.change_message:
            return str(entry.user), entry.action_time
    return "", None


def _name(key: Any) -> str:
    user = get_user_model().objects.filter(pk=key).first() if key else None
    return str(user) if user else ""
