// The cluster is real: a Job's pod runs under the restricted policy, is reached by its Service's name, and its log is read.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bridgeName } from '../../dev/cluster/addresses.ts';
import { webImage } from '../../dev/images/catalog.ts';
import { apply, cluster, kubectl, testNamespace } from '../support/cluster.ts';

let namespace: Awaited<ReturnType<typeof testNamespace>>;
beforeAll(async () => {
  namespace = await testNamespace('cluster');
});
afterAll(() => namespace.remove());

/** What the restricted Pod Security Standard asks of a pod with one container. */
function pod(container: object): object {
  const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  return {
    restartPolicy: 'Never',
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [{ name: 'main', image: cluster.reference(webImage), securityContext, ...container }],
  };
}

function job(name: string, container: object): object {
  const metadata = { name, namespace: namespace.name };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata,
    spec: { backoffLimit: 0, template: { spec: pod(container) } },
  };
}

test('a Job runs to its end and its log can be read', async () => {
  await apply(job('hello', { command: ['node', '--eval', 'console.log("hello from", process.arch)'] }));
  await kubectl('wait', '--for=condition=Complete', 'job/hello', '--namespace', namespace.name, '--timeout=120s');
  expect(await kubectl('logs', 'job/hello', '--namespace', namespace.name)).toBe(`hello from ${process.arch}`);
});

test('a Job that fails is Failed', async () => {
  await apply(job('broken', { command: ['node', '--eval', 'process.exit(3)'] }));
  await kubectl('wait', '--for=condition=Failed', 'job/broken', '--namespace', namespace.name, '--timeout=120s');
});

test('a pod that may do too much is refused', async () => {
  const privileged = pod({ securityContext: { privileged: true } });
  const metadata = { name: 'privileged', namespace: namespace.name };
  await expect(apply({ apiVersion: 'v1', kind: 'Pod', metadata, spec: privileged })).rejects.toThrow(
    /violates PodSecurity/,
  );
});

test('a pod reaches another by the name of its Service', async () => {
  const metadata = { name: 'web', namespace: namespace.name, labels: { app: 'web' } };
  await apply({ apiVersion: 'v1', kind: 'Pod', metadata, spec: pod({ args: ['--root', '/docs'] }) });
  const spec = { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] };
  await apply({ apiVersion: 'v1', kind: 'Service', metadata, spec });
  await kubectl('wait', '--for=condition=Ready', 'pod/web', '--namespace', namespace.name, '--timeout=120s');

  const url = `http://web.${namespace.name}.svc.cluster.local/index.html`;
  // The rules of a new Service take a moment to reach the node.
  const script = `const visit = () => fetch('${url}').then((answer) => console.log(answer.status), () => setTimeout(visit, 200));
    visit();`;
  await apply(job('visitor', { command: ['node', '--eval', script] }));
  await kubectl('wait', '--for=condition=Complete', 'job/visitor', '--namespace', namespace.name, '--timeout=120s');
  expect(await kubectl('logs', 'job/visitor', '--namespace', namespace.name)).toBe('200');
});

// Clusters that are named by TRAWLER_KUBECONFIG have their own network.
test.skipIf(process.env['TRAWLER_KUBECONFIG'] !== undefined)(
  'pods come and go, and the bridge keeps its address',
  async () => {
    // NET_ADDR_SET: one that was given, and not the least of the ports'.
    expect((await readFile(`/sys/class/net/${bridgeName}/addr_assign_type`, 'utf8')).trim()).toBe('3');
  },
);
