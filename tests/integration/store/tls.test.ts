// A PostgreSQL whose certificate was signed by an authority of its own: checked by operator and workers.
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createOperatorStore } from '#src/store/postgres-operator-store.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { createCertificate } from '../../support/certificate.ts';
import { databaseHeartbeats } from '../../support/gateway.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { heartbeat, install, never } from './fixture.ts';

const { certificate, key } = createCertificate();
let directory: string;
let server: PostgresServer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'trawler-tls-'));
  const files = { certificate: join(directory, 'server.crt'), key: join(directory, 'server.key') };
  await writeFile(files.certificate, certificate, { mode: 0o600 });
  await writeFile(files.key, key, { mode: 0o600 });
  // PostgreSQL does not run as root, and reads no key that others may read.
  const uid = process.getuid?.() === 0 ? 65_534 : undefined;
  if (uid !== undefined) for (const path of [directory, files.certificate, files.key]) await chown(path, uid, uid);
  server = await startPostgres(15, {
    settings: {
      listen_addresses: '127.0.0.1,127.0.0.2',
      ssl: 'on',
      ssl_cert_file: files.certificate,
      ssl_key_file: files.key,
    },
  });
});
afterAll(async () => {
  await server?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** With what a careless URL says: neither sslmode may take the check away. */
test.each(['sslmode=disable', 'sslmode=no-verify', 'sslmode=verify-full'])(
  'operator and workers speak TLS with the authority they are given, though the URL says %s',
  async (mode) => {
    await using installation = await install(server, { ca: certificate });
    const run = await installation.createRun();
    const beats = databaseHeartbeats({
      databaseUrl: `${installation.workerUrl}?${mode}`,
      ...{ ca: certificate, schema: 'trawler', token: run.token, workerId: crypto.randomUUID() },
    });
    const sessions = `select distinct usename = current_user as admin, ssl from pg_stat_ssl
      join pg_stat_activity using (pid) where application_name like 'trawler%'`;
    await beats.beat(heartbeat, never);
    expect((await installation.admin.query(sessions)).rows).toEqual([{ admin: false, ssl: true }]);
    await beats.close();
  },
);

test.each([
  ['another authority', createCertificate().certificate, '127.0.0.1'],
  ['another name', certificate, '127.0.0.2'],
])('a server of %s is not spoken to', async (_, ca, host) => {
  const url = new URL((await server.createDatabase()).ownerUrl);
  url.hostname = host;
  const store = createOperatorStore({
    ...{ databaseUrl: `${url.href}?sslmode=no-verify`, ca, schema: 'trawler' },
    logger: createLogger('test', 'fatal'),
  });
  await expect(store.ping(never)).rejects.toThrow(/certificate|altnames/i);
  await store.close();
});
