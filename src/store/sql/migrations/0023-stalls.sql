-- When a worker was found to hang, and on what.
alter table worker add column stalled_at timestamptz, add column stall text;
