// The API server on a real PostgreSQL with an installation in it, by the login that it has there.
import { createServerStore, type ServerStore } from '#src/store/server-store.ts';
import { startPostgres } from '../../support/postgres.ts';
import { type Installation, install, never } from '../store/fixture.ts';
import { type FixtureOptions, type ServerFixture, startFixture } from './fixture.ts';

export type ServerOnDatabase = {
  readonly installation: Installation;
  /** Of the server's login. */
  readonly databaseUrl: string;
  readonly store: ServerStore;
  readonly server: ServerFixture;
  stop(): Promise<void>;
};

type Options = Omit<FixtureOptions, 'store'> & {
  /** Calls of the store that the server finds changed. */
  readonly changed?: Partial<ServerStore>;
};

export async function startServerOnDatabase({ changed = {}, ...options }: Options = {}): Promise<ServerOnDatabase> {
  await using starting = new AsyncDisposableStack();
  const postgres = await startPostgres(18, { fsync: false });
  starting.defer(() => postgres.stop());
  const installation = starting.use(await install(postgres));
  const databaseUrl = await installation.operator.serverDatabaseUrl(never);
  const store = createServerStore({ databaseUrl, schema: 'trawler', poolSize: 2 });
  starting.defer(() => store.close());
  const server = await startFixture({ store: { ...store, ...changed }, ...options });
  starting.defer(() => server.stop());
  const started = starting.move();
  return { installation, databaseUrl, store, server, stop: () => started.disposeAsync() };
}
