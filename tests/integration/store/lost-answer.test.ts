// What a worker does when a statement took effect and its answer never came: the connection broke in between.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseWorkerStore } from '../../support/gateway.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { claimSome, done, FAST, type Installation, install, never, SCHEMA, urls } from './fixture.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(18);
});
afterAll(() => server.stop());

/** What the server sends last, when a statement is over and committed: "ready for query, idle". */
const COMMITTED = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** A worker of a run of ten pages, behind the proxy. */
async function seededWorkerBehind(proxy: TcpProxy, installation: Installation) {
  const { token } = await installation.createRun(FAST);
  const url = new URL(installation.workerUrl);
  url.port = String(proxy.port);
  const workerId = randomUUID();
  const worker = databaseWorkerStore({ databaseUrl: url.href, schema: SCHEMA, token, workerId });
  await worker.seed(urls(10), never);
  return { worker, workerId, token };
}

async function leasesOf(installation: Installation, workerId: string): Promise<unknown[]> {
  const { rows } = await installation.admin.query(
    `select lease_token from request where state = 'leased' and leased_by = $1 order by 1`,
    [workerId],
  );
  return rows.map(({ lease_token }) => lease_token);
}

describe('a claim whose answer is lost', () => {
  it('leaves nothing leased that its worker does not know of', async () => {
    await using installation = await install(server);
    await using proxy = await startTcpProxy(server);
    const { worker, workerId } = await seededWorkerBehind(proxy, installation);
    const known = await claimSome(worker, 3);
    expect(
      await worker.commit(
        known.slice(0, 1).map((claim) => done(claim)),
        never,
      ),
    ).toHaveProperty('size', 1);

    proxy.loseAnswerTo('claim_requests', COMMITTED);
    await expect(worker.claim(4, never)).rejects.toMatchObject({ reason: 'Unavailable' });
    expect(await leasesOf(installation, workerId)).toHaveLength(6);

    expect(await worker.claim(4, never)).toEqual({ state: 'Wait', retryInMs: 0 });
    const held = known.slice(1).map(({ leaseToken }) => leaseToken);
    expect(await leasesOf(installation, workerId)).toEqual(held.sort());
    const more = await claimSome(worker, 7);
    expect(new Set([...known, ...more].map(({ url }) => url)).size).toBe(10);
    expect(
      (
        await worker.commit(
          [...known.slice(1), ...more].map((claim) => done(claim)),
          never,
        )
      ).size,
    ).toBe(9);
    expect(await worker.finish(never)).toBe(true);
    await worker.close();
  });

  it('leases nothing when it reaches the server after the next one', async () => {
    await using installation = await install(server);
    await using proxy = await startTcpProxy(server);
    const { worker, workerId, token } = await seededWorkerBehind(proxy, installation);
    proxy.loseAnswerTo('claim_requests', COMMITTED);
    await expect(worker.claim(4, never)).rejects.toMatchObject({ reason: 'Unavailable' });
    const known = await claimSome(worker, 4);

    const { rows } = await installation.admin.query('select claim_requests($1, $2, 4, 25, 0, null) as result', [
      token,
      workerId,
    ]);
    expect(rows).toEqual([{ result: { state: 'Wait', retryInMs: 0 } }]);
    expect(await leasesOf(installation, workerId)).toEqual(known.map(({ leaseToken }) => leaseToken).sort());
    await worker.close();
  });
});
