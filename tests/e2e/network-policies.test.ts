// Who can open a connection to whom, where the network enforces the chart's NetworkPolicies: pods as runs have them, and
// others, try it with TCP.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { trawlerNamespace } from '../../dev/cluster/addresses.ts';
import { crawlerImage } from '../../dev/images/catalog.ts';
import { projectRoot } from '../../dev/setup/paths.mjs';
import { runSteps } from '../../dev/steps.ts';
import { apply, cluster, helm, kubectl, testNamespace } from '../support/cluster.ts';

const { networkPolicies } = cluster;
const database = { host: `trawler-postgres.${trawlerNamespace}.svc.cluster.local`, port: 5432 };
const gateway = { host: `trawler-gateway.${trawlerNamespace}.svc.cluster.local`, port: 8443 };
const apiServer = { host: 'kubernetes.default.svc.cluster.local', port: 443 };
type Target = typeof database;

/** Prints whether a connection opened, or why not: what is dropped gives no answer. */
const TRY = `
const [host, port] = process.argv.slice(1);
const socket = require('node:net').connect({ host, port: Number(port) });
const end = (word) => { process.stdout.write(word); process.exit(0); };
socket.setTimeout(3000, () => end('no answer'));
socket.once('connect', () => end('open'));
socket.once('error', (error) => end(error.code));
`;

/** A pod of the crawler's image that does nothing by itself. */
function pod(namespace: string, name: string, labels: Record<string, string>): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'crawler',
          image: cluster.reference(crawlerImage),
          imagePullPolicy: 'IfNotPresent',
          command: ['node', '--eval', 'setInterval(() => {}, 1e6)'],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  };
}

function attempt(namespace: string, workload: string, { host, port }: Target): Promise<string> {
  return kubectl('exec', workload, '-n', namespace, '--', 'node', '--eval', TRY, host, String(port));
}

const RUN = { 'trawler.dev/run-uid': '0b5c8a52-0b9f-4d1b-9a58-5f3c0c1a7e11' };

// A cluster of somebody else enforces them or does not; it is not ours to change.
describe.skipIf(networkPolicies === undefined)('with policies enforced', () => {
  let open: Awaited<ReturnType<typeof testNamespace>>;
  let closed: Awaited<ReturnType<typeof testNamespace>>;

  beforeAll(async () => {
    [open, closed] = await Promise.all([testNamespace('open'), testNamespace('closed')]);
    const values = ['--set=postgres.enabled=true', `--set=networkPolicy.crawlerNamespaces={${closed.name}}`];
    const template = ['--show-only=templates/network-policies.yaml', `--namespace=${trawlerNamespace}`];
    const chart = join(projectRoot, 'helm', 'trawler');
    const rendered = await helm('template', 'trawler', chart, ...template, ...values);
    const ofCrawlers = rendered.split('\n---\n').filter((text) => text.includes(`namespace: ${closed.name}`));
    expect(ofCrawlers).toHaveLength(1);
    await apply(ofCrawlers.join(''));
    for (const { name } of [open, closed]) await apply(pod(name, 'worker', RUN));
    await apply(pod(open.name, 'stranger', { app: 'stranger' }));
    await runSteps(networkPolicies?.enforce ?? []);
    for (const [namespace, name] of [
      [open.name, 'worker'],
      [open.name, 'stranger'],
      [closed.name, 'worker'],
    ] as const) {
      await kubectl('wait', '--for=condition=Ready', `pod/${name}`, '-n', namespace, '--timeout=120s');
    }
    // The rules are there a moment after the firewall and the pods.
    await vi.waitFor(async () => expect(await attempt(open.name, 'pod/worker', database)).not.toBe('open'), {
      timeout: 120_000,
      interval: 1_000,
    });
  });
  afterAll(async () => {
    await runSteps(networkPolicies?.stop ?? []);
    await Promise.all([open?.remove(), closed?.remove()]);
  });

  const cases: readonly [who: string, where: () => string, workload: string, target: Target, isOpen: boolean][] = [
    ['a crawler pod does not reach PostgreSQL', () => open.name, 'pod/worker', database, false],
    ['a crawler pod reaches the gateway', () => open.name, 'pod/worker', gateway, true],
    ['another pod does not reach PostgreSQL', () => open.name, 'pod/stranger', database, false],
    ['another pod does not reach the gateway', () => open.name, 'pod/stranger', gateway, false],
    ['a confined crawler pod reaches the gateway', () => closed.name, 'pod/worker', gateway, true],
    ['a confined crawler pod does not reach PostgreSQL', () => closed.name, 'pod/worker', database, false],
    ['a confined crawler pod does not reach the API server', () => closed.name, 'pod/worker', apiServer, false],
    ['the gateway reaches PostgreSQL', () => trawlerNamespace, 'deployment/trawler-gateway', database, true],
    [
      'the gateway does not reach the API server',
      () => trawlerNamespace,
      'deployment/trawler-gateway',
      apiServer,
      false,
    ],
    ['the operator reaches PostgreSQL', () => trawlerNamespace, 'deployment/trawler-operator', database, true],
  ];

  test.each(cases)('%s', async (_who, where, workload, target, isOpen) => {
    const outcome = () => attempt(where(), workload, target);
    if (isOpen)
      await vi.waitFor(async () => expect(await outcome()).toBe('open'), { timeout: 30_000, interval: 1_000 });
    else expect(await outcome()).toMatch(/^(no answer|ECONNREFUSED|EHOSTUNREACH)$/);
  });
});
