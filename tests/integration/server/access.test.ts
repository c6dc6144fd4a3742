// What is asked of Kubernetes about rights: of a right to all objects once, and not once for each of them; of others by name.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createKubeApi, type KubeApi } from '#src/kube/client.ts';
import { loadKubeConfig } from '#src/kube/kube-config.ts';
import { createKubeMetrics } from '#src/kube/metrics.ts';
import { type Access, createAccess } from '#src/server/auth/access.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';
import { type ServerFixture, startFixture } from './fixture.ts';

const FRESH_MS = 60_000;
let server: ServerFixture;
let api: KubeApi;
let metrics: ReturnType<typeof createKubeMetrics>;
let access: Access;

beforeAll(async () => {
  server = await startFixture();
  metrics = createKubeMetrics(createRegistry());
  const logger = createLogger('access-test', 'fatal');
  api = createKubeApi(loadKubeConfig(server.cluster.kubeconfigPath), { logger, metrics });
  access = createAccess(api, FRESH_MS);
});
afterAll(async () => {
  await api?.close();
  await server?.stop();
});

const identityOf = (account: string) => ({
  username: `system:serviceaccount:default:${account}`,
  groups: [],
  extra: {},
});
const may = (account: string, name: string, verb: 'get' | 'stop' = 'get') =>
  access.allows(identityOf(account), { verb, resource: 'crawlruns', namespace: 'default', name });

async function reviews(): Promise<number> {
  const { values } = await metrics.requests.get();
  const ofReviews = values.filter(({ labels }) => labels['resource'] === 'subjectaccessreviews');
  return ofReviews.reduce((sum, { value }) => sum + value, 0);
}

test('whoever may read all runs is asked about once, however many runs they read', async () => {
  await server.account('default', 'all', [{ resources: ['crawlruns'], verbs: ['get'] }]);
  const before = await reviews();
  for (let n = 0; n < 20; n += 1) expect(await may('all', `run-${n}`)).toBe(true);
  expect((await reviews()) - before).toBe(1);
  expect(await may('all', 'run-1', 'stop')).toBe(false);
});

test('a right to some runs by their names is a right to these alone', async () => {
  const rule = { resources: ['crawlruns'], verbs: ['get'], resourceNames: ['mine', 'ours'] };
  await server.account('default', 'some', [rule]);
  for (const name of ['mine', 'ours', 'mine']) expect(await may('some', name)).toBe(true);
  for (const name of ['theirs', 'min', 'mine-2']) expect(await may('some', name)).toBe(false);
  const ofAll = { verb: 'get', resource: 'crawlruns', namespace: 'default' } as const;
  expect(await access.allows(identityOf('some'), ofAll)).toBe(false);
});
