-- Run once on the primary as its administrator, after `manage.py migrate`, in the portal's database:
--   REPLICATION_PASSWORD=… REPORTS_PASSWORD=… psql -f deploy/postgres/roles.sql "$ADMIN_DATABASE_URL"
-- It may be run again, to set new passwords. The portal's own role is created by ../database.sql.
\set ON_ERROR_STOP on
\set owner portal
\set replication portal_replication
\set reports portal_reports
\getenv owner PORTAL_DATABASE_ROLE
\getenv replication REPLICATION_ROLE
\getenv reports REPORTS_ROLE
\getenv replication_password REPLICATION_PASSWORD
\getenv reports_password REPORTS_PASSWORD

SELECT format('CREATE ROLE %I', name)
  FROM unnest(ARRAY[:'replication', :'reports']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- The standby copies the primary with it.
ALTER ROLE :"replication" LOGIN REPLICATION PASSWORD :'replication_password';

-- Reports read the standby with it (REPLICA_DATABASE_URL). It can change nothing anywhere.
ALTER ROLE :"reports" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'reports_password';
ALTER ROLE :"reports" SET default_transaction_read_only = on;
ALTER ROLE :"reports" SET statement_timeout = '60s';
ALTER ROLE :"reports" SET idle_in_transaction_session_timeout = '60s';
GRANT USAGE ON SCHEMA public TO :"reports";
GRANT SELECT ON ALL TABLES IN SCHEMA public TO :"reports";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT ON TABLES TO :"reports";
-- What no report reads: who is signed in, what people and systems sign in with, and what is sealed.
SELECT format('REVOKE ALL ON %I FROM %I', name, :'reports')
  FROM unnest(ARRAY[
         'django_session', 'accounts_personsession', 'mfa_authenticator', 'accounts_apikey',
         'accounts_keyedapicall', 'accounts_invitation', 'accounts_personletter',
         'account_emailconfirmation', 'fulfillment_virtualcode', 'redemption_callback',
         'redemption_webhookendpoint', 'redemption_recipientask'
       ]) AS name
 WHERE to_regclass(name) IS NOT NULL \gexec
-- Of people it sees all but the password's hash. A column that is added later is granted by running
-- this again.
REVOKE ALL ON accounts_user FROM :"reports";
SELECT format('GRANT SELECT (%I) ON accounts_user TO %I', column_name, :'reports')
  FROM information_schema.columns
 WHERE table_schema = 'public' AND table_name = 'accounts_user' AND column_name <> 'password' \gexec
