// All migrations in order; a name that was ever released stays, and what it does stays the same.
import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { migrationTexts } from './sql/texts.ts';

export const migrations: Readonly<Record<string, Migration>> = Object.fromEntries(
  Object.entries(migrationTexts).map(([name, text]) => [name, { up: (db) => execute(db, text) }]),
);

/** Several statements in one message to the server. */
async function execute(db: Kysely<unknown>, text: string): Promise<void> {
  await sql.raw(text).execute(db);
}
