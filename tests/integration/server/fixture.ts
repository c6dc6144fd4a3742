// The API server in the test's own process, on a real API server of Kubernetes, with identities whose rights are RBAC's.

import { execa } from 'execa';
import { createKubeApi, type KubeApi } from '#src/kube/client.ts';
import { actingAs, loadKubeConfig } from '#src/kube/kube-config.ts';
import { createKubeMetrics } from '#src/kube/metrics.ts';
import { startServer, TOKENS_SECRET } from '#src/server/server.ts';
import type { ServerStore } from '#src/store/server-store.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { connect } from '../../support/running-operator.ts';

export type Rule = {
  readonly verbs: readonly string[];
  readonly resources: readonly string[];
  /** Absent: all of them. */
  readonly resourceNames?: readonly string[];
};

/** An answer, its body parsed. */
export type Answer = { readonly status: number; readonly headers: Headers; readonly body: Record<string, unknown> };
export type CallOptions = { readonly body?: unknown; readonly headers?: Record<string, string> };

export type ServerFixture = {
  readonly cluster: ControlPlane;
  /** As an administrator. */
  readonly api: KubeApi;
  readonly url: string;
  kubectl(args: string[], input?: object): Promise<string>;
  /** The token of a new ServiceAccount with these rights in the namespace. */
  account(namespace: string, name: string, rules: readonly Rule[]): Promise<string>;
  /** A CrawlRun of that name in the namespace default; its uid. */
  crawlRun(name: string): Promise<string>;
  call(method: string, path: string, token: string | undefined, options?: CallOptions): Promise<Answer>;
  stop(): Promise<void>;
};

export type FixtureOptions = {
  readonly store?: ServerStore;
  readonly requestsPerMinute?: number;
  readonly keepAliveMs?: number;
};

export async function startFixture(options: FixtureOptions = {}): Promise<ServerFixture> {
  const cluster = await startControlPlane();
  const kubectl = async (args: string[], input?: object) => {
    const stdin = input === undefined ? {} : { input: JSON.stringify(input) };
    return (await execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args], stdin)).stdout;
  };
  await installCrds(cluster);
  await kubectl(['create', 'secret', 'generic', TOKENS_SECRET, '-n', 'default']);
  const api = connect(cluster.kubeconfigPath);
  const server = await startServer({
    ...{ api, port: 0, identity: 'server-test', systemNamespace: 'default', ...options },
    metrics: createKubeMetrics(createRegistry()),
    // Each test may change rights and see the change at once.
    rightsFreshMs: 1,
    logger: createLogger('server-test', 'fatal'),
  });
  const url = `http://127.0.0.1:${server.port}`;
  return {
    cluster,
    api,
    url,
    kubectl,
    async account(namespace, name, rules) {
      const metadata = { name, namespace };
      const rbac = 'rbac.authorization.k8s.io';
      await kubectl(['apply', '-f', '-'], {
        apiVersion: 'v1',
        kind: 'List',
        items: [
          { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
          {
            ...{ apiVersion: `${rbac}/v1`, kind: 'Role', metadata },
            rules: rules.map((rule) => ({ apiGroups: ['trawler.dev'], ...rule })),
          },
          {
            ...{ apiVersion: `${rbac}/v1`, kind: 'RoleBinding', metadata },
            roleRef: { apiGroup: rbac, kind: 'Role', name },
            subjects: [{ kind: 'ServiceAccount', name, namespace }],
          },
        ],
      });
      return (await kubectl(['create', 'token', name, '-n', namespace])).trim();
    },
    crawlRun: (name) =>
      kubectl(['create', '-o', 'jsonpath={.metadata.uid}', '-f', '-'], {
        apiVersion: 'trawler.dev/v1alpha1',
        ...{ kind: 'CrawlRun', metadata: { name, namespace: 'default' } },
        spec: { sources: [{ name: 'site', urls: ['http://site.test/'] }] },
      }),
    call: (...request) => callAt(url, ...request),
    async stop() {
      await server.close(1_000);
      await api.close();
      await cluster.stop();
    },
  };
}

export async function callAt(
  url: string,
  method: string,
  path: string,
  token: string | undefined,
  { body, headers = {} }: CallOptions = {},
): Promise<Answer> {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) };
}

/** Another server on the same cluster, whose own account is this user. */
export async function serveAs(cluster: ControlPlane, user: string, options: FixtureOptions = {}) {
  const logger = createLogger('server-test', 'fatal');
  const metrics = createKubeMetrics(createRegistry());
  const api = createKubeApi(actingAs(loadKubeConfig(cluster.kubeconfigPath), user), { logger, metrics });
  const server = await startServer({
    ...{ api, port: 0, identity: user, systemNamespace: 'default', metrics, rightsFreshMs: 1, logger, ...options },
  });
  return {
    call: (method: string, path: string, token: string | undefined) =>
      callAt(`http://127.0.0.1:${server.port}`, method, path, token),
    [Symbol.asyncDispose]: async () => {
      await server.close(1_000);
      await api.close();
    },
  };
}
