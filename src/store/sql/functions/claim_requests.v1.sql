-- As workers of version 1 call it: they know nothing of servers, and look at all lanes each time.
create or replace function claim_requests(
  token text, this_worker uuid, slots int, lateness_ms double precision, claim_epoch int, held uuid[]) returns json
language sql security definer set search_path from current as $$
  select claim_requests(token, this_worker, slots, lateness_ms, claim_epoch, held, null, null)
$$;
