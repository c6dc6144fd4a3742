// The operator's rights are what it uses: the chart's rules against the API server's audit log of all other suites. The
// sequence in vitest.config.ts runs this one last.
import { describe, expect, it } from 'vitest';
import { trawlerNamespace } from '../../dev/cluster/addresses.ts';
import { type AuditEvent, auditEvents, succeeded } from '../support/audit-log.ts';
import { cluster, getJson } from '../support/cluster.ts';

interface Role {
  rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
}

/** Rights that no suite here can make the operator use, each with the reason for which it has them. */
const UNSEEN: Readonly<Record<string, string>> = {
  'update crawlschedules/finalizers.trawler.dev': 'asked for by admission, where owner references are protected',
  'update crawlruns/finalizers.trawler.dev': 'asked for by admission, where owner references are protected',
  'patch pods/status': 'a node has to be lost',
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

describe("the operator's rights", async () => {
  if (cluster.auditLog === undefined) throw new Error('this cluster has no audit log that can be read');
  const used = new Set<string>();
  const refused = new Set<string>();
  for await (const event of auditEvents(cluster.auditLog)) {
    const right = event.user.username === user ? askedFor(event) : undefined;
    if (right === undefined) continue;
    if (event.responseStatus?.code === 403) refused.add(right);
    else if (succeeded(event)) used.add(right);
  }

  it('are enough for all that it asked for', () => {
    expect(used.size).toBeGreaterThan(10);
    expect([...refused]).toEqual([]);
  });

  it('are all used', async () => {
    const rights = [...(await rightsOf('clusterrole')), ...(await rightsOf('role'))];
    expect(rights.filter((right) => !used.has(right) && !(right in UNSEEN))).toEqual([]);
    expect(Object.keys(UNSEEN).filter((right) => !rights.includes(right))).toEqual([]);
  });
});
