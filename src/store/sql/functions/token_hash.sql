-- What run_token holds of a run's token. The gateway names runs by `sha256:` and the hash in hexadecimal, so that no token is
-- ever among the parameters of a statement, which a server may log. Over HTTP that form is worth nothing: it is hashed as any
-- other token.
create or replace function token_hash(token text) returns bytea
language sql immutable as $$
  select case when token ~ '^sha256:[0-9a-f]{64}$' then decode(substr(token, 8), 'hex')
    else sha256(convert_to(token, 'UTF8')) end
$$;
