// That what workers of each version call is served as long as they are, and that a new call comes with a new version.
import { expect, test } from 'vitest';
import { FUNCTIONS_VERSION, OLDEST_WORKER_VERSION } from '#src/store/function-versions.ts';
import { WORKER_FUNCTIONS } from '#src/store/functions.ts';

/**
 * The calls that came with each version. What is in a release stays as it is here: a call that is new, or has other
 * arguments, goes under the next version, and FUNCTIONS_VERSION is raised to that.
 */
const NEW_CALLS: Readonly<Record<number, readonly string[]>> = {
  1: [
    'current_run()',
    'function_versions()',
    'claim_requests(text, uuid, int, double precision, int, uuid[])',
    'commit_outcomes(text, uuid, json, json)',
    'add_links(text, uuid, uuid, uuid, json)',
    'add_seeds(text, uuid, json)',
    'seed_frontier(text, uuid, json)',
    'recall_page(text, uuid)',
    'finish_run(text)',
    'write_heartbeat(text, uuid, json)',
    'lease_output(text, uuid)',
    'output_items(text, uuid, bigint)',
    'output_fields(text, uuid, bigint)',
    'settle_output(text, uuid, json)',
    'release_output(text, uuid)',
    'reserve_host(text, text, double precision)',
    'defer_host(text, text, double precision)',
    'report_block(text, text, text)',
    'report_failure(text, text, int, double precision, text)',
    'report_answer(text, text)',
    'report_trap(text, text, text, text)',
    'all_sources_blocked(text, int)',
    'read_robots(text, text)',
    'write_robots(text, text, text, text, int)',
    'read_host_rendering(text, text)',
    'learn_host_rendering(text, text, boolean)',
  ],
  2: [
    'claim_requests(text, uuid, int, double precision, int, uuid[], text, double precision)',
    'commit_outcomes(text, uuid, json, json, text)',
    'add_links(text, uuid, uuid, uuid, json, text)',
    'report_outage(text, text, double precision, text)',
    'report_reachable(text, text)',
    'move_scope(text, text, text)',
    'read_moved_scopes(text)',
    'set_crawl_delay(text, text, int)',
  ],
  3: ['load_run(text)', 'run_of_gateway(text)', 'run_outlooks(text[])', 'write_heartbeats(text[], json)'],
  4: ['write_log(text, uuid, json)'],
};

const versions = Object.keys(NEW_CALLS).map(Number);

test.each(versions.filter((version) => version >= OLDEST_WORKER_VERSION))(
  'all that came with version %i is there',
  (version) => {
    for (const call of NEW_CALLS[version] ?? []) expect(WORKER_FUNCTIONS).toContain(call);
  },
);

test('each call of workers came with a version, the newest with the one that the functions have', () => {
  const known = Object.values(NEW_CALLS).flat();
  expect(WORKER_FUNCTIONS.filter((call) => !known.includes(call))).toEqual([]);
  expect(Math.max(...versions)).toBe(FUNCTIONS_VERSION);
});
