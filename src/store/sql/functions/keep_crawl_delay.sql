-- Keeps the crawl-delay of a run at a host, a minute at most. The host, whose pace all runs of the scope share, is asked as slowly
-- as the slowest of the runs at work asks for; the delays of runs that have ended count no more.
create or replace function keep_crawl_delay(this_run run, id bigint, own_delay_ms int) returns void
language plpgsql set search_path from current as $$
begin
  if coalesce(own_delay_ms, 0) > 0 then
    insert into crawl_delay (run_id, host_id, delay_ms) values (this_run.run_id, id, least(own_delay_ms, 60000))
    on conflict (host_id, run_id) do update set delay_ms = excluded.delay_ms;
  else
    delete from crawl_delay d where d.run_id = this_run.run_id and d.host_id = id;
  end if;
  update host h set crawl_delay_ms = slowest.delay_ms
  from (
    select coalesce(max(d.delay_ms), 0) as delay_ms
    from crawl_delay d join run r using (run_id) where d.host_id = id and r.finished_at is null
  ) slowest
  where h.host_id = id and h.crawl_delay_ms <> slowest.delay_ms;
end $$;
