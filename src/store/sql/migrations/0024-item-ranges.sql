-- A request says which items are of its page: from first_item to last_item, between which there may be some of other pages.
-- That takes the place of an index of items by page, whose entries are in no order and so are dear to write.
alter table request add column first_item bigint, add column last_item bigint;

-- Runs that were accepted before have requests that do not say it, and are compared with nothing.
alter table run add column has_item_ranges boolean not null default false;
alter table run alter column has_item_ranges set default true;

do $$
declare
  part record;
begin
  for part in
    select 'item_page_' || right(c.relname, 8) as index_name from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'item'::regclass
  loop
    execute format('drop index if exists %I', part.index_name);
  end loop;
end $$;
