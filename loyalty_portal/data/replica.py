"""The database that reports read."""

from django.db import DEFAULT_DB_ALIAS


def reporting() -> str:
    """The alias of the database that reports and statements read, for `queryset.using(...)`.

    It may lag behind, so nothing that decides reads it. Today it is the primary.
    """
    return DEFAULT_DB_ALIAS
