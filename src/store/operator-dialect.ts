// PostgreSQL as kysely speaks it, but for the lock of its migrator.
import { type DialectAdapter, PostgresAdapter, PostgresDialect } from 'kysely';

/**
 * Migrations run in a transaction that has taken a lock of its own (see `migrate`). The migrator's lock belongs to the session: it
 * would outlive a transaction that fails, hide what has failed, and let every later statement wait for tables for an hour, with all
 * workers behind it.
 */
export class OperatorDialect extends PostgresDialect {
  override createAdapter(): DialectAdapter {
    return new AdapterWithoutLock();
  }
}

class AdapterWithoutLock extends PostgresAdapter {
  override async acquireMigrationLock(): Promise<void> {}
  override async releaseMigrationLock(): Promise<void> {}
}
