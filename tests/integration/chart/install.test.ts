// The chart, the samples and the demo manifests against a real API server: all of it accepted, in restricted namespaces.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { chart } from './helm.ts';

const NAMESPACE = 'trawler-system';
const OPERATOR = `--as=system:serviceaccount:${NAMESPACE}:trawler-operator`;
/** Makes the API server refuse pods that are not restricted, and warn about what would make such pods. */
const RESTRICTED = ['pod-security.kubernetes.io/enforce=restricted', 'pod-security.kubernetes.io/warn=restricted'];

let controlPlane: ControlPlane;

const run = async (program: string, args: string[]) =>
  (await execa(binary(program), args, { env: { KUBECONFIG: controlPlane.kubeconfigPath } })).stdout;
const kubectl = (...args: string[]) => run('kubectl', args);
const helm = (...args: string[]) => run('helm', [...args, `--namespace=${NAMESPACE}`]);

async function makeNamespace(name: string): Promise<void> {
  await kubectl('create', 'namespace', name);
  await kubectl('label', 'namespace', name, ...RESTRICTED);
}

/** Whether the API server's answer is yes; kubectl ends with 1 for a no. */
async function mayI(who: string, ...what: string[]): Promise<boolean> {
  const args = ['auth', 'can-i', who, ...what];
  const { stdout } = await execa(binary('kubectl'), args, {
    env: { KUBECONFIG: controlPlane.kubeconfigPath },
    reject: false,
  });
  return stdout === 'yes';
}

const databaseUrl = () => kubectl('get', 'secret/trawler-postgres', `-n=${NAMESPACE}`, '-o=jsonpath={.data.url}');

beforeAll(async () => {
  controlPlane = await startControlPlane({ controllerManager: true });
  await makeNamespace(NAMESPACE);
  await helm('install', 'trawler', chart, '--set=postgres.enabled=true,operator.replicas=2');
  await kubectl('wait', '--for=condition=Established', 'crd/crawlschedules.trawler.dev', 'crd/crawlruns.trawler.dev');
});
afterAll(() => controlPlane.stop());

test.each(['operator', 'gateway', 'postgres'])(
  'a pod of the %s is admitted to a restricted namespace',
  async (component) => {
    const pods = ['pod', `-n=${NAMESPACE}`, `-l=app.kubernetes.io/component=${component}`];
    await kubectl('wait', '--for=create', '--timeout=30s', ...pods);
    expect(await kubectl('get', ...pods, '-o=name')).toContain(`pod/trawler-${component}-`);
  },
);

test('no object of the chart earns a warning', async () => {
  const manifest = await helm('get', 'manifest', 'trawler');
  await execa(
    binary('kubectl'),
    ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '--warnings-as-errors', '-f=-'],
    {
      env: { KUBECONFIG: controlPlane.kubeconfigPath },
      input: manifest,
    },
  );
});

test('manifests/install.yaml is accepted as it is', async () => {
  const file = join(projectRoot, 'manifests', 'install.yaml');
  await kubectl(
    'apply',
    '--server-side',
    '--force-conflicts',
    '--dry-run=server',
    '--warnings-as-errors',
    `-f=${file}`,
  );
});

test('the password of the evaluation Postgres outlives an upgrade', async () => {
  const before = await databaseUrl();
  await helm('upgrade', 'trawler', chart, '--set=postgres.enabled=true,operator.logLevel=debug');
  expect(await databaseUrl()).toBe(before);
});

describe('the operator', () => {
  test.each([
    'get secrets',
    'create secrets',
    'patch crawlruns.trawler.dev --subresource=status',
    'watch jobs.batch',
    'get persistentvolumeclaims',
    'patch pods --subresource=status',
    'create events.events.k8s.io',
  ])('may %s', async (what) => {
    expect(await mayI(OPERATOR, ...what.split(' '), '-n=elsewhere')).toBe(true);
  });

  test.each([
    'list secrets',
    'watch secrets',
    'update secrets',
    'list namespaces',
    'list persistentvolumeclaims',
    'create persistentvolumeclaims',
    'list configmaps',
    'list nodes',
    'create pods',
    'create pods --subresource=exec',
    'delete crawlschedules.trawler.dev',
    'patch crawlschedules.trawler.dev',
    'create clusterrolebindings',
    'update leases.coordination.k8s.io',
  ])('may not %s', async (what) => {
    expect(await mayI(OPERATOR, ...what.split(' '), '-n=elsewhere')).toBe(false);
  });

  test('may write the Secrets of the gateway, and no other, in its own namespace', async () => {
    for (const name of ['trawler-gateway-login', 'trawler-gateway-tls']) {
      expect(await mayI(OPERATOR, 'patch', `secrets/${name}`, `-n=${NAMESPACE}`)).toBe(true);
    }
    expect(await mayI(OPERATOR, 'patch', 'secrets/trawler-postgres', `-n=${NAMESPACE}`)).toBe(false);
  });

  test('may hold a lease in its own namespace', async () => {
    expect(await mayI(OPERATOR, 'update', 'leases.coordination.k8s.io', `-n=${NAMESPACE}`)).toBe(true);
  });
});

test('the gateway may do nothing in the cluster', async () => {
  const gateway = `--as=system:serviceaccount:${NAMESPACE}:trawler-gateway`;
  for (const what of ['get secrets', 'list pods', 'get crawlruns.trawler.dev', 'create jobs.batch']) {
    expect(await mayI(gateway, ...what.split(' '), `-n=${NAMESPACE}`), what).toBe(false);
  }
});

test('what the operator has written for the gateway outlives an upgrade', async () => {
  const secret = ['secret/trawler-gateway-login', `-n=${NAMESPACE}`];
  await kubectl('patch', ...secret, '--type=merge', '-p', '{"data":{"url":"YQ=="}}');
  await helm('upgrade', 'trawler', chart, '--set=postgres.enabled=true,operator.logLevel=info');
  expect(await kubectl('get', ...secret, '-o=jsonpath={.data.url}')).toBe('YQ==');
});

test('the built-in roles take in schedules and runs', async () => {
  await kubectl('create', 'namespace', 'team');
  await kubectl('create', 'rolebinding', 'edit', '--clusterrole=edit', '--user=editor', '-n=team');
  await kubectl('create', 'rolebinding', 'view', '--clusterrole=view', '--user=viewer', '-n=team');
  const may = (user: string, verb: string, namespace = 'team') =>
    mayI(`--as=${user}`, verb, 'crawlschedules.trawler.dev', `-n=${namespace}`);
  await expect.poll(() => may('editor', 'create'), { timeout: 20_000 }).toBe(true);
  await expect.poll(() => may('viewer', 'list'), { timeout: 20_000 }).toBe(true);
  expect(await may('viewer', 'create')).toBe(false);
  expect(await may('editor', 'create', 'default')).toBe(false);
});

describe('samples', async () => {
  const folder = join(projectRoot, 'manifests', 'samples');
  test.each(await readdir(folder))('%s is accepted without a warning', async (file) => {
    await kubectl('create', '--dry-run=server', '--warnings-as-errors', `-f=${join(folder, file)}`);
  });
});

describe('demo manifests', () => {
  const manifest = (name: string) => join(projectRoot, 'dev', 'site', 'manifests', name);

  test('the pod of the demo site is admitted to its restricted namespace', async () => {
    await kubectl('apply', '--warnings-as-errors', `-f=${manifest('site.yaml')}`);
    await kubectl('wait', '--for=create', '--timeout=30s', 'pod', '-n=demo', '-l=app.kubernetes.io/name=site');
  });

  test('the pod with the manual is admitted to a restricted namespace', async () => {
    await makeNamespace('manual');
    await kubectl('apply', '--warnings-as-errors', '-n=manual', `-f=${manifest('docs.yaml')}`);
    await kubectl('wait', '--for=create', '--timeout=30s', 'pod', '-n=manual', '-l=app.kubernetes.io/name=docs');
  });
});

test('uninstalling leaves the CRDs, and installing again takes them back', async () => {
  await helm('uninstall', 'trawler');
  expect(await kubectl('get', 'crd', '-o=name')).toContain('crawlruns.trawler.dev');
  await kubectl('create', 'secret', 'generic', 'db', `-n=${NAMESPACE}`, '--from-literal=url=postgres://a:b@c.d/e');
  await helm('install', 'trawler', chart, '--set=database.existingSecret=db');
});
