-- Run once by the database's container when its volume is new (docker-compose.yml): the portal's
-- role, which is no superuser, and its database. The administrator's role is for people only.
\set ON_ERROR_STOP on
\set role portal
\getenv role PORTAL_DATABASE_ROLE
\getenv password PORTAL_DATABASE_PASSWORD
CREATE ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE :"role" OWNER :"role";
-- For Prometheus' exporter alone: reads the server's figures, and no table.
\getenv figures FIGURES_DATABASE_PASSWORD
\if :{?figures}
CREATE ROLE figures LOGIN PASSWORD :'figures' IN ROLE pg_monitor;
\endif
