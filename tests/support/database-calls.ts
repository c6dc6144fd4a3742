// A worker's calls answered by PostgreSQL itself, over one connection and without a gateway.
import { CALLS, type CallAnswer, type CallArguments, type WorkerCalls } from '#src/gateway/protocol/calls.ts';
import { createPool } from '#src/store/connection.ts';
import { createWorkerFunctions, runKeyOf } from '#src/store/worker-calls.ts';

export type DatabaseCallsOptions = {
  readonly databaseUrl: string;
  /** PEM of the certificate authority, where the server's certificate is not signed by a public one. */
  readonly ca?: string;
  readonly schema: string;
  readonly token: string;
  readonly applicationName: string;
};

export function openDatabaseCalls(options: DatabaseCallsOptions): WorkerCalls {
  const { databaseUrl, ca, schema, token, applicationName } = options;
  const pool = createPool({ databaseUrl, ...(ca === undefined ? {} : { ca }), applicationName, max: 1 });
  const functions = createWorkerFunctions(() => pool, schema);
  const key = runKeyOf(token);
  return {
    async call(name, request, signal) {
      if (name === 'load-run') await functions.checkVersion(signal);
      const answer = await functions.call(name, request as CallArguments<typeof name>, key, signal);
      return CALLS[name].answer.parse(JSON.parse(answer)) as CallAnswer<typeof name>;
    },
    close: () => pool.end(),
  };
}
