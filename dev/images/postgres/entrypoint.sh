#!/bin/sh
# Makes the database on an empty volume, gives the role `trawler` the password of the mounted Secret, runs Postgres.
# Arguments go to postgres, for example: -c max_connections=200
set -eu

password=$(cat "$TRAWLER_PASSWORD_FILE")
case $password in
  '' | *[!A-Za-z0-9_-]*) echo "the password in $TRAWLER_PASSWORD_FILE may only hold letters, digits, _ and -" >&2; exit 64 ;;
esac

# After a crash the lock file names a process of the container before, often by the number that this shell has now.
# Postgres overlooks its own, its parent's and this one.
export PG_GRANDPARENT_PID=$$

# Statements for a server that nobody else can reach yet. A failing one ends the start instead of being only logged.
sql() { postgres --single -c exit_on_error=true -c log_min_messages=fatal -D "$PGDATA" postgres >/dev/null; }

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # A start that was cut short leaves a half-made folder: it is only moved into place when it is complete.
  rm -rf "$PGDATA.new"
  initdb --pgdata="$PGDATA.new" --username=postgres --encoding=UTF8 --locale=C.UTF-8 --data-checksums >&2
  # Over the network only with a password; the superuser has none and can be reached from inside the pod alone.
  printf '%s\n' 'local all all trust' 'host all all all scram-sha-256' > "$PGDATA.new/pg_hba.conf"
  echo 'CREATE ROLE trawler LOGIN CREATEROLE;' | PGDATA="$PGDATA.new" sql
  echo 'CREATE DATABASE trawler OWNER trawler;' | PGDATA="$PGDATA.new" sql
  rm -rf "$PGDATA"
  mv "$PGDATA.new" "$PGDATA"
fi

# At every start, so that a changed Secret and a restart are all that a new password takes.
echo "ALTER ROLE trawler PASSWORD '$password';" | sql

# No just-in-time compilation: it takes longer than the short statements of a queue.
exec postgres -D "$PGDATA" \
  -c listen_addresses='*' -c unix_socket_directories=/tmp \
  -c timezone=UTC -c log_timezone=UTC \
  -c jit=off -c autovacuum_vacuum_cost_delay=0 "$@"
