-- How long before its time a turn that nobody has taken is left to any run, whoever's it would be by their shares. Claims
-- come to a host half a second before its next turn: those who go first have the other half of that.
create or replace function untaken_at() returns interval
language sql immutable as $$ select interval '250 ms' $$;
