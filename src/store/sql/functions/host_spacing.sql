-- Milliseconds between two documents of a host. One that has refused a crawl is asked more slowly, however fast the run
-- may be: a quarter of a second is the least that is doubled, and a minute the most that doubling leads to.
create or replace function host_spacing(delay_ms double precision, crawl_delay_ms int, slowdown smallint)
returns double precision language sql immutable as $$
  select case when slowdown = 1 then greatest(delay_ms, crawl_delay_ms)
    else greatest(delay_ms, crawl_delay_ms, least(greatest(delay_ms, crawl_delay_ms, 250) * slowdown, 60000)) end
$$;
