"""What no line of the log may have: of people, and what signs people and systems in."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from urllib.parse import quote

from django.apps import apps
from django.db import models

# What a column has, by its table and name.
COLUMNS = {
    "e-mail": re.compile(r"email$|\.to$"),
    "name": re.compile(r"^user\.name$|recipient_name$|^recipientask\.name$"),
    "phone": re.compile(r"phone$|^textsto\.number$"),
    "street": re.compile(r"address_line"),
    "code": re.compile(r"^virtualcode\.(code|pin|url|fingerprint)$"),
    "secret": re.compile(r"secret|token|_hash$|session_key$|password$"),
}
SHORTEST = 6  # characters; shorter ones stand anywhere by chance


class Wanted:
    """Values by what they are, and a search for them in text."""

    def __init__(self) -> None:
        self.kinds: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, kind: str, *values: str) -> None:
        self.kinds[kind].update(value for value in values if len(value) >= SHORTEST)

    def add_rows(self) -> None:
        """Add what the database has, in any table."""
        for model in apps.get_models(include_auto_created=True):
            for column in model._meta.concrete_fields:
                if isinstance(column, models.CharField | models.TextField):
                    self._add_column(model, column)

    def _add_column(self, model: type[models.Model], column: models.Field) -> None:
        for kind, named in COLUMNS.items():
            if named.search(f"{model._meta.model_name}.{column.name}"):
                # From the rows: encrypted columns are not read otherwise.
                found = (getattr(row, column.attname) for row in model._base_manager.all())
                self.add(kind, *{str(value) for value in found if value})

    def found_in(self, text: str) -> dict[str, list[str]]:
        """The values that the text has, by what they are."""
        text = text.casefold()
        found = {
            kind: [value for value in sorted(values) if any(one in text for one in spelled(value))]
            for kind, values in self.kinds.items()
        }
        return {kind: values for kind, values in found.items() if values}


def spelled(value: str) -> Iterable[str]:
    """A value as it may stand in a line: as it is, inside of JSON, in an address."""
    return {each.casefold() for each in (value, json.dumps(value)[1:-1], quote(value, safe=""))}
