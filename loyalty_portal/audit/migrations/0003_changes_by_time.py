"""Indexes for the list of changes, which is ordered by time over all tables of the history."""

from django.db import migrations

INDEXES = """
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT table_name FROM information_schema.columns
        WHERE column_name = 'pgh_created_at' AND table_schema = current_schema()
    LOOP
        EXECUTE format(
            'CREATE INDEX IF NOT EXISTS %I ON %I (pgh_created_at DESC, pgh_id DESC)',
            name || '_by_time', name
        );
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0002_rows_in_order"),
        ("accounts", "0008_people_and_groups_have_a_history"),
        ("catalog", "0001_initial"),
        ("inventory", "0001_initial"),
        ("redemption", "0001_initial"),
    ]

    operations = [migrations.RunSQL(INDEXES, migrations.RunSQL.noop)]
