// All migrations in order; a name that was ever released stays, and what it does stays the same.
import type { Migration } from 'kysely/migration';
import * as frontier from './0001-frontier.ts';

export const migrations: Readonly<Record<string, Migration>> = {
  '0001-frontier': frontier,
};
