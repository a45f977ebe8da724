"""Reads the context of a change without an exception block.

pghistory's function catches the error of a setting that is not set. Each catch ends a subtransaction,
and PostgreSQL then looks through all deferred checks of the transaction, of which each new product
adds two. So a statement that inserted a million products without a context took hours: each row took
longer than the one before. `current_setting(name, true)` raises nothing.
"""

from django.db import migrations

QUICK = """
CREATE OR REPLACE FUNCTION _pgh_attach_context() RETURNS pghistory_context.id%TYPE AS $$
DECLARE
    _pgh_context_id UUID := NULLIF(current_setting('pghistory.context_id', true), '')::UUID;
    _pgh_context_metadata JSONB :=
        NULLIF(current_setting('pghistory.context_metadata', true), '')::JSONB;
BEGIN
    IF _pgh_context_id IS NULL OR _pgh_context_metadata IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO pghistory_context (id, metadata, created_at, updated_at)
        VALUES (_pgh_context_id, _pgh_context_metadata, NOW(), NOW())
        ON CONFLICT (id) DO UPDATE
            SET metadata = EXCLUDED.metadata, updated_at = EXCLUDED.updated_at
            WHERE pghistory_context.metadata != EXCLUDED.metadata;
    RETURN _pgh_context_id;
END;
$$ LANGUAGE plpgsql;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_administrators"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [migrations.RunSQL(QUICK, migrations.RunSQL.noop)]
