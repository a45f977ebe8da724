"""Makes the records of staff by Django and pghistory append-only.

The context of changes is the exception: pghistory adds to it during a request.
"""

from django.db import migrations

ROWS = """
CREATE FUNCTION portal_rows_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('portal.history_may_go', true) IS DISTINCT FROM 'yes' THEN
        RAISE EXCEPTION 'Cannot % the table %: history stays', lower(TG_OP), TG_TABLE_NAME;
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD WHEN 'UPDATE' THEN NEW END;
END $$;
CREATE TRIGGER rows_stay BEFORE UPDATE OR DELETE ON django_admin_log
    FOR EACH ROW EXECUTE FUNCTION portal_rows_stay();
CREATE TRIGGER table_stays BEFORE TRUNCATE ON django_admin_log
    EXECUTE FUNCTION portal_rows_stay();
CREATE TRIGGER rows_stay BEFORE DELETE ON pghistory_context
    FOR EACH ROW EXECUTE FUNCTION portal_rows_stay();
CREATE TRIGGER table_stays BEFORE TRUNCATE ON pghistory_context
    EXECUTE FUNCTION portal_rows_stay();
"""
BACK = """
DROP TRIGGER rows_stay ON django_admin_log;
DROP TRIGGER table_stays ON django_admin_log;
DROP TRIGGER rows_stay ON pghistory_context;
DROP TRIGGER table_stays ON pghistory_context;
DROP FUNCTION portal_rows_stay();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [migrations.RunSQL(ROWS, BACK)]
