// The tables as Kysely sees them: what the operator reads and writes directly. Workers go through functions.
import type { ColumnType, Generated } from 'kysely';
import type { FailureCause, ItemData } from '../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../resources/crawl-run.ts';
import type { RunOutcome } from './operator-store.ts';

/** Given and compared as YYYY-MM-DD; read as text, since a date has no time zone. */
type Day = string;
type Json<T> = ColumnType<T, string, string>;

export type Database = {
  run: {
    run_id: string;
    run_day: Day;
    namespace: string;
    name: string;
    schedule_uid: string | null;
    scheduled_time: Date | null;
    trigger: string;
    image: string | null;
    host_scope: string;
    delay_ms: number;
    share_weight: number;
    max_pages: number;
    max_depth: number | null;
    is_depth_limited: Generated<boolean>;
    has_moved: Generated<boolean>;
    max_retries: number;
    lease_seconds: number;
    accepted_at: Generated<Date>;
    seeded_at: Date | null;
    started_at: Date | null;
    stop_reason: string | null;
    stop_requested_at: Date | null;
    paused_at: Date | null;
    paused_seconds: Generated<number>;
    spec_generation: number | null;
    expected_fields: string[] | null;
    is_pace_changed: Generated<boolean>;
    live_version: Generated<number>;
    terminates: Generated<boolean>;
    finished_at: Date | null;
    outcome: RunOutcome | null;
    message: string | null;
  };
  run_spec: { run_id: string; version: number; spec: Json<CrawlRunSpec> };
  run_token: { token_hash: Buffer; run_id: string; revoked_at: Date | null };
  source: { run_id: string; source_no: number; name: string; active: boolean; max_pages: number | null };
  request: {
    run_id: string;
    run_day: Day;
    url_key: string;
    source_no: number;
    depth: number;
    redirects: string[] | null;
    state: 'queued' | 'leased' | 'done' | 'skipped' | 'dead';
    url: string;
    finished_at: Date | null;
    reason: string | null;
    errors: { cause: FailureCause; message: string; at: string }[] | null;
  };
  item: {
    run_id: string;
    run_day: Day;
    item_id: Generated<string>;
    url_key: string;
    source_no: number;
    created_at: Generated<Date>;
    data: ItemData;
  };
  output: { run_id: string; due_at: Generated<Date | null> };
  worker: { run_id: string; worker_id: string; lease_until: Date | null; places_granted: Generated<number> };
  host_share: { run_id: string; host_id: string; weight: number };
  worker_login: { role_name: string; password: string; created_at: Generated<Date> };
  long_change: { name: string; started_at: Generated<Date>; changed: Generated<string>; finished_at: Date | null };
  function_set: { checksum: string; version: number; oldest_worker: number; release: string };
};
