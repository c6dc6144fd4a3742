-- Runs are asked for by their names, and the newest of a namespace.
create index run_by_name on run (namespace, name, accepted_at);
create index run_of_namespace on run (namespace, accepted_at);
