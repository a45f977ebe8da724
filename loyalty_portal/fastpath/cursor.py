"""A database cursor whose statements PostgreSQL plans once for each connection."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper


def prepared_cursor() -> CursorWrapper:
    """A cursor that sends values separately, so that PostgreSQL plans each statement once.

    Plans are kept for each connection. Planning the joins of a page's header takes longer than
    running them. Django's cursor puts values into the text, which makes each statement new. Returns
    Django's cursor when an execute wrapper is installed (the history of staff changes adds to
    statements).
    """
    wrapper: Any = connections[DEFAULT_DB_ALIAS]  # `connection` would look it up at each access
    if wrapper.execute_wrappers:
        plain: CursorWrapper = wrapper.cursor()
        return plain
    wrapper.close_if_health_check_failed()
    wrapper.ensure_connection()
    made: Any = ServerBindingCursor
    cursor: CursorWrapper = wrapper._prepare_cursor(made(wrapper.connection))  # noqa: SLF001
    return cursor
