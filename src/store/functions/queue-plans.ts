// Settings that keep the plans of the frontier's statements the same, whatever the statistics say.

/**
 * A queue's statistics are always stale: the partition that was empty at breakfast holds a million rows at noon, and a
 * plan that was made at breakfast is still in use. So every statement of the frontier is written for nested loops over
 * index scans, whose cost depends on what a call touches and not on what there is, and these settings take the other
 * choices away. Three ways of writing keep the planner from starting at the wrong end of a join:
 *
 * - a lateral with `offset 0`, or a scalar subquery, is looked up once for each row outside of it;
 * - `= any (array)` on the first column of an index is an index condition;
 * - an update joins its target by the run of the rows that it updates from, not by a parameter: the planner would take
 *   a run of which it knows nothing for a single row.
 */
export const QUEUE_PLANS = `set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off`;
