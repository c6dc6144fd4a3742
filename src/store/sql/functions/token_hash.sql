-- What run_token holds of a run's token. The gateway names runs by `sha256:` and the hash in hexadecimal, so that no token is
-- ever among the parameters of a statement, which a server may log. Over HTTP that form is worth nothing: it is hashed as any
-- other token. As an expression of SQL it would be set up at each call, since it is no such one as the planner copies.
create or replace function token_hash(token text) returns bytea
language plpgsql immutable as $$
begin
  -- A regular expression would take twice as long.
  if length(token) = 71 and token like 'sha256:%' and translate(substr(token, 8), '0123456789abcdef', '') = '' then
    return decode(substr(token, 8), 'hex');
  end if;
  return sha256(convert_to(token, 'UTF8'));
end $$;
