// What was done through the API server, as rows: written in order, read by keyset, the newest first.
import type pg from 'pg';
import { query } from './connection.ts';
import { storableJson } from './storable-json.ts';
import { withoutNulls } from './without-nulls.ts';

export type AuditEntry = {
  /** UUID: an entry that is written again is there once. */
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly action: string;
  readonly user: string;
  /** The address that the request came from, and the one that a proxy names. */
  readonly origin?: string;
  readonly detail?: string;
  /** The fields that were made others; absent where there was nothing before, or is nothing after. */
  readonly before?: object;
  readonly after?: object;
};

export type AuditRow = Omit<AuditEntry, 'id' | 'at'> & { readonly auditId: string; readonly at: Date };

export type AuditQuery = {
  readonly namespace: string;
  readonly user?: string | undefined;
  readonly action?: string | undefined;
  readonly kind?: string | undefined;
  readonly name?: string | undefined;
  /** Entries older than this one. */
  readonly before?: string | undefined;
  readonly limit: number;
};

/** Every call rejects with a StoreError. */
export type AuditStore = {
  writeAudit(entries: readonly AuditEntry[], signal: AbortSignal): Promise<void>;
  /** The newest first. */
  auditRows(filter: AuditQuery, signal: AbortSignal): Promise<readonly AuditRow[]>;
};

const ROWS = `
  select audit_id::text as "auditId", at, namespace, kind, name, uid, action, username as "user", origin, detail, before, after
  from audit
  where namespace = $1 and ($2::text is null or username = $2) and ($3::text is null or action = $3)
    and ($4::text is null or kind = $4) and ($5::text is null or name = $5) and ($6::bigint is null or audit_id < $6)
  order by audit_id desc limit $7`;

export function createAuditStore(pool: pg.Pool): AuditStore {
  return {
    async writeAudit(entries, signal) {
      const values = [storableJson(entries)];
      await query(pool, () => ({ text: 'select write_audit($1)', values }), signal);
    },
    async auditRows({ namespace, user, action, kind, name, before, limit }, signal) {
      const filters = [user, action, kind, name, before].map((value) => value ?? null);
      const rows = await query<AuditRow>(pool, () => ({ text: ROWS, values: [namespace, ...filters, limit] }), signal);
      return rows.map(withoutNulls);
    },
  };
}
