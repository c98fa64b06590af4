#!/usr/bin/env bash
# Makes one database and one user for each that keeps something here. The image runs it once, when its volume is empty.
set -euo pipefail
secrets=${SECRETS:-/run/secrets}

# psql replaces :'name' by the quoted value, so that no password is read as SQL; \set reads it, so that it is no argument.
run() { psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$1"; }

own() { # user, file of its password: a database of the user's name, which nobody else may enter
  run postgres <<SQL
\set password \`cat "$secrets/$2"\`
create role "$1" login password :'password';
create database "$1" owner "$1";
revoke all on database "$1" from public;
SQL
}

own lake lake_password
own dagster dagster_password
own superset superset_database_password

# Who serves the catalog to other engines sees all of it and changes nothing.
run postgres <<SQL
\set password \`cat "$secrets/lake_reader_password"\`
create role lake_reader login password :'password';
grant connect on database lake to lake_reader;
SQL
run lake <<SQL
grant usage on schema public to lake_reader;
alter default privileges for role lake in schema public grant select on tables to lake_reader;
SQL
