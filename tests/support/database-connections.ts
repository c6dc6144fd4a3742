// Connections of tests to their database. Tests stop and crash servers, and an idle connection that is closed so must
// not end the test process: whoever uses it next sees the error.
import pg from 'pg';

type Options = {
  /** Unqualified names are looked for in this schema. */
  readonly schema?: string;
};

/** @param options.max connections at most */
export function testPool(url: string, { max = 1, schema }: Options & { readonly max?: number } = {}): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max, ...searchPath(schema) });
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** Not connected yet. */
export function testClient(url: string, { schema }: Options = {}): pg.Client {
  const client = new pg.Client({ connectionString: url, ...searchPath(schema) });
  client.on('error', () => {});
  return client;
}

function searchPath(schema: string | undefined) {
  return schema === undefined ? {} : { options: `-c search_path=${schema}` };
}
