-- The partitions of requests: the first day of each, the day after its last one, and whether it is being taken out.
create or replace function day_partitions() returns table (first_day date, next_day date, is_leaving boolean)
language plpgsql stable set search_path from current as $$
begin
  return query
    select to_date(right(c.relname, 8), 'YYYYMMDD'),
      coalesce(substring(pg_get_expr(c.relpartbound, c.oid) from $re$TO \('([^']+)'\)$re$)::date,
        to_date(right(c.relname, 8), 'YYYYMMDD') + 1),
      i.inhdetachpending
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = to_regclass('request');
end $$;
