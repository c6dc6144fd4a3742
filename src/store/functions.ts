// The functions of the schema, one a file in sql/functions, and which of them workers may call.
import { createHash } from 'node:crypto';
import { functionTexts } from './sql/texts.ts';

/** In the order of their names: where bodies are not checked at creation, no function has to come before another. */
export const functions: readonly string[] = Object.values(functionTexts);

/** All that a worker may call; everything else is the owner's alone. */
export const WORKER_FUNCTIONS = [
  'current_run()',
  'function_versions()',
  'load_run(text)',
  'run_of_gateway(text)',
  'run_outlooks(text[])',
  'claim_requests(text, uuid, int, double precision, int, uuid[], text, double precision)',
  'claim_requests(text, uuid, int, double precision, int, uuid[])',
  'commit_outcomes(text, uuid, json, json, text)',
  'commit_outcomes(text, uuid, json, json)',
  'add_links(text, uuid, uuid, uuid, json, text)',
  'add_links(text, uuid, uuid, uuid, json)',
  'add_seeds(text, uuid, json)',
  'seed_frontier(text, uuid, json)',
  'recall_page(text, uuid)',
  'finish_run(text)',
  'write_heartbeat(text, uuid, json)',
  'write_heartbeats(text[], json)',
  'write_log(text, uuid, json)',
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
  'report_outage(text, text, double precision, text)',
  'report_reachable(text, text)',
  'report_trap(text, text, text, text)',
  'move_scope(text, text, text)',
  'read_moved_scopes(text)',
  'all_sources_blocked(text, int)',
  'read_robots(text, text)',
  'write_robots(text, text, text, text, int)',
  'set_crawl_delay(text, text, int)',
  'read_host_rendering(text, text)',
  'learn_host_rendering(text, text, boolean)',
] as const;

/** What the API server may call beside what it reads. */
export const SERVER_FUNCTIONS = [
  'wanted_dead_letters(uuid, jsonb, timestamptz, uuid, timestamptz, int)',
  'change_dead_letters(uuid, boolean, jsonb, timestamptz, uuid, timestamptz, int)',
  'write_audit(jsonb)',
  'reset_host(uuid, text)',
  'redeliver(uuid, uuid, text)',
  'send_test(uuid, text, jsonb)',
  'acknowledge(text, uuid, text, text)',
] as const;

/** Changes whenever a function does: the sign that they have to be created again. */
export const FUNCTIONS_CHECKSUM = createHash('sha256').update(functions.join('\n')).digest('hex');
