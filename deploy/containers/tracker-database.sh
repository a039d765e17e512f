#!/bin/sh
# Rasa's own database with a user of its own, which cannot read requests. PostgreSQL runs this once, when it is new.
set -eu
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set=password="$(cat /run/secrets/tracker_password)" <<'SQL'
CREATE ROLE conversations LOGIN PASSWORD :'password';
CREATE DATABASE conversations OWNER conversations;
REVOKE CONNECT ON DATABASE conversations FROM PUBLIC;
REVOKE CONNECT ON DATABASE ketalink FROM PUBLIC;
SQL
