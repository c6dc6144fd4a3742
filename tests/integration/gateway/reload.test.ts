// A gateway follows its mounted files: a new certificate and a new login are taken over, and nobody loses a call.
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createCertificate } from '../../support/certificate.ts';
import { gatewayWorkerStore } from '../../support/gateway.ts';
import { type GatewayProcess, startGatewayProcess } from '../../support/gateway-processes.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, done, FAST, type Installation, install, never, SCHEMA, urls } from '../store/fixture.ts';

let server: PostgresServer;
let installation: Installation;
let directory: string;
let gateway: GatewayProcess;
let port: number;
let log: string;
const old = createCertificate();
const next = createCertificate();

const file = (name: string) => join(directory, name);
/** As a whole, as Kubernetes does it. */
async function replace(name: string, text: string): Promise<void> {
  await writeFile(file(`${name}.new`), text);
  await rename(file(`${name}.new`), file(name));
}

beforeAll(async () => {
  server = await startPostgres(18);
});
afterAll(() => server?.stop());

beforeEach(async () => {
  installation = await install(server);
  directory = await mkdtemp(join(tmpdir(), 'trawler-reload-'));
  // A call may wait for a lock for longer than the files are looked at.
  const login = decodeURIComponent(new URL(installation.workerUrl).username);
  await installation.admin.query(`alter role ${JSON.stringify(login)} set lock_timeout = '30s'`);
  await writeFile(file('url'), `${installation.workerUrl}\n`);
  await writeFile(file('tls.crt'), old.certificate);
  await writeFile(file('tls.key'), old.key);
  gateway = startGatewayProcess({
    ...{ TRAWLER_DATABASE_URL_FILE: file('url'), TRAWLER_DATABASE_SCHEMA: SCHEMA },
    ...{ TRAWLER_GATEWAY_TLS_CERT_FILE: file('tls.crt'), TRAWLER_GATEWAY_TLS_KEY_FILE: file('tls.key') },
  });
  log = '';
  gateway.child.stdout?.on('data', (text: string) => {
    log += text;
  });
  port = await gateway.port;
});
afterEach(async () => {
  gateway.child.kill('SIGKILL');
  await gateway.ended;
  await installation[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

function workerOf(token: string, ca: string, waitMs = 20_000) {
  const workerId = crypto.randomUUID();
  const gatewayUrl = `https://127.0.0.1:${port}`;
  return { ...gatewayWorkerStore({ ...{ gatewayUrl, token, workerId, ca }, waitMs }), workerId };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** What it shows to whoever connects now. */
function shownCertificate(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.toString() ?? '');
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

it('shows a new certificate to new connections, and answers by the old one what came by it', async () => {
  const run = await installation.createRun(FAST);
  const busy = workerOf(run.token, old.certificate);
  const idle = workerOf(run.token, old.certificate);
  await busy.seed(urls(1), never);
  const [claim] = await claimSome(busy, 1);
  if (claim === undefined) throw new Error('nothing was claimed');
  const waits = idle.claim(1, never);
  // The two files are read one after the other: for a while they do not fit.
  await replace('tls.crt', next.certificate);
  await until(async () => log.includes('the certificate has changed and cannot be used'));
  expect(await shownCertificate()).toBe(old.certificate);
  await replace('tls.key', next.key);
  await until(async () => (await shownCertificate()) === next.certificate);
  const links = [{ url: 'http://site.test/found', host: 'site.test', source: 'site', depth: 1 }];
  expect(await busy.commit([{ ...done(claim), links }], never)).toEqual(new Set([claim.requestId]));
  expect(await waits).toMatchObject({ state: 'Claimed', claims: [{ url: 'http://site.test/found' }] });
  const newcomer = workerOf(run.token, next.certificate, 0);
  expect((await newcomer.claim(1, never)).state).toBe('Wait');
  await Promise.all([busy, idle, newcomer].map((store) => store.close()));
});

it('takes a new login, and ends what is under way by the old one', async () => {
  const { admin, workerUrl, createRun } = installation;
  const run = await createRun(FAST);
  const worker = workerOf(run.token, old.certificate);
  await worker.seed(urls(3), never);
  const [first, second] = await claimSome(worker, 2);
  if (first === undefined || second === undefined) throw new Error('nothing was claimed');
  const gatewayPids = async (state: string) =>
    (
      await admin.query<{ pid: number }>(
        `select pid from pg_stat_activity where application_name = 'trawler-gateway' and ${state}`,
      )
    ).rows.map(({ pid }) => pid);
  // A commit that waits for a lock is under way while the login changes.
  const blocker = await admin.connect();
  await blocker.query('begin');
  await blocker.query('lock table request in access exclusive mode');
  const committed = worker.commit([done(first)], never);
  await until(async () => (await gatewayPids(`wait_event_type = 'Lock'`)).length > 0);
  const [underWay] = await gatewayPids(`wait_event_type = 'Lock'`);
  const url = new URL(workerUrl);
  await admin.query(`alter role ${JSON.stringify(decodeURIComponent(url.username))} password 'another'`);
  url.password = 'another';
  await replace('url', 'postgres://not a url');
  await until(async () => log.includes('the login to the database has changed and cannot be used'));
  await replace('url', `${url.href}\n`);
  // Its idle connections by the old login are closed.
  await until(async () => {
    const pids = await gatewayPids('true');
    return pids.length === 1 && pids[0] === underWay;
  });
  await blocker.query('rollback');
  blocker.release();
  expect(await committed).toEqual(new Set([first.requestId]));
  expect(await worker.commit([done(second)], never)).toEqual(new Set([second.requestId]));
  expect((await claimSome(worker, 1)).length).toBe(1);
  await worker.close();
});
