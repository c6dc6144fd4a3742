// The operator's rights are what it uses: the chart's rules against the API server's audit log of all other suites. The
// sequence in vitest.config.ts runs this one last.
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { trawlerNamespace } from '../../dev/cluster/addresses.ts';
import { type AuditEvent, auditEvents, succeeded } from '../support/audit-log.ts';
import { apply, cluster, getJson, kubectl, testNamespace } from '../support/cluster.ts';

interface Role {
  rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
}

/** Rights for what seldom happens, each with what has to happen. */
const SELDOM: Readonly<Record<string, string>> = {
  'update crawlschedules/finalizers.trawler.dev': 'admission has to ask for it, where owner references are protected',
  'update crawlruns/finalizers.trawler.dev': 'admission has to ask for it, where owner references are protected',
  'get crawlschedules.trawler.dev': 'a status write has to meet a newer version',
  'get crawlruns.trawler.dev': 'the name of a run has to be taken, or a status write has to meet a newer version',
  'get crawlbackfills.trawler.dev': 'a status write has to meet a newer version',
  'get jobs.batch': 'a Job has to be there before its cache has it',
  'delete jobs.batch': 'PostgreSQL has to go back to a time before a file was written',
  'patch pods/status': 'a node has to be lost',
  'get nodes': 'a node has to be lost',
  'patch events.events.k8s.io': 'an Event has to repeat',
};

const user = `system:serviceaccount:${trawlerNamespace}:trawler-operator`;

function nameOf(verb: string, resource: string, group: string): string {
  return `${verb} ${resource}${group === '' ? '' : `.${group}`}`;
}

function askedFor({ verb, objectRef }: AuditEvent): string | undefined {
  if (objectRef === undefined) return undefined;
  const { resource, subresource, apiGroup = '' } = objectRef;
  return nameOf(verb, subresource === undefined ? resource : `${resource}/${subresource}`, apiGroup);
}

async function rightsOf(kind: 'clusterrole' | 'role'): Promise<string[]> {
  const { rules } = await getJson<Role>(kind, 'trawler-operator', '--namespace', trawlerNamespace);
  return rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => nameOf(verb, resource, group)))),
  );
}

/** What the operator has asked for so far: what was done, and what it had no right to. */
async function asked(): Promise<{ used: Set<string>; refused: Set<string> }> {
  if (cluster.auditLog === undefined) throw new Error('this cluster has no audit log that can be read');
  const used = new Set<string>();
  const refused = new Set<string>();
  for await (const event of auditEvents(cluster.auditLog)) {
    const right = event.user.username === user ? askedFor(event) : undefined;
    if (right === undefined) continue;
    if (event.annotations?.['authorization.k8s.io/decision'] === 'forbid') refused.add(right);
    else if (succeeded(event)) used.add(right);
  }
  return { used, refused };
}

let namespace: Awaited<ReturnType<typeof testNamespace>>;

/** A schedule makes runs, replaces them and deletes them; one is deleted by hand while it goes on. */
beforeAll(async () => {
  namespace = await testNamespace('rights');
  const sources = [{ name: 'nowhere', urls: ['http://nowhere.invalid/'] }];
  await apply({
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlSchedule',
    metadata: { name: 'often', namespace: namespace.name },
    spec: {
      schedule: '*/2 * * * * *',
      concurrencyPolicy: 'Replace',
      successfulRunsHistoryLimit: 0,
      failedRunsHistoryLimit: 0,
      runTemplate: { spec: { sources } },
    },
  });
  await apply({
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlBackfill',
    metadata: { name: 'planned', namespace: namespace.name },
    spec: { scheduleName: 'often', from: '2026-01-01T00:00:00Z', to: '2026-01-01T00:00:10Z' },
  });
  await kubectl('wait', '--for=create', 'crawlrun', '--all', '--namespace', namespace.name, '--timeout=60s');
  await apply({
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name: 'dropped', namespace: namespace.name },
    spec: { sources },
  });
  await kubectl('wait', '--for=condition=JobCreated', 'crawlrun/dropped', '--namespace', namespace.name);
  await kubectl('delete', 'crawlrun/dropped', '--namespace', namespace.name);
});
afterAll(() => namespace?.remove());

it('are all used', async () => {
  const rights = [...(await rightsOf('clusterrole')), ...(await rightsOf('role'))];
  const unused = async () => {
    const { used } = await asked();
    return rights.filter((right) => !used.has(right) && !(right in SELDOM));
  };
  await vi.waitFor(async () => expect(await unused()).toEqual([]), { timeout: 300_000, interval: 2_000 });
  expect(Object.keys(SELDOM).filter((right) => !rights.includes(right))).toEqual([]);
});

it('are enough for all that it asks for', async () => {
  const { used, refused } = await asked();
  expect(used.size).toBeGreaterThan(10);
  expect([...refused]).toEqual([]);
});
