// What the tests of src/kube share: a client, a small resource of their own, and waiting for a condition.

import { setTimeout as delay } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import { createKubeApi, type KubeApi, type KubeApiOptions } from '#src/kube/client.ts';
import { type Condition, isConditionTrue } from '#src/kube/conditions.ts';
import type { KubeObject, ResourceType } from '#src/kube/kube-object.ts';
import { createKubeMetrics, type KubeMetrics } from '#src/kube/metrics.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';

export const logger = pino({ level: process.env['TRAWLER_LOG_LEVEL'] ?? 'silent' });

export interface TestApi {
  api: KubeApi;
  metrics: KubeMetrics;
}

export function apiOf(config: KubeConfig, options: Partial<KubeApiOptions> = {}): TestApi {
  const metrics = createKubeMetrics(createRegistry());
  return { metrics, api: createKubeApi(config, { logger, metrics, ...options }) };
}

export function configFrom(kubeconfigPath: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfigPath);
  return config;
}

/** A custom resource with a status, as Trawler's own have it, but without their rules. */
export interface Net extends KubeObject {
  spec: { mesh: number; colour?: string };
  status?: { caught?: number; by?: string; conditions?: Condition[] };
}

export const NETS: ResourceType = {
  group: 'test.trawler.dev',
  version: 'v1',
  plural: 'nets',
  kind: 'Net',
  namespaced: true,
};

interface Crd extends KubeObject {
  spec: object;
  status?: { conditions?: Condition[] };
}

/** Makes the API server serve NETS. */
export async function installNets(api: KubeApi): Promise<void> {
  const { signal } = new AbortController();
  const group = 'apiextensions.k8s.io';
  const crds = api.resource<Crd>({
    group,
    version: 'v1',
    plural: 'customresourcedefinitions',
    kind: 'CustomResourceDefinition',
    namespaced: false,
  });
  const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const spec = {
    type: 'object',
    required: ['mesh'],
    properties: { mesh: { type: 'integer', minimum: 1 }, colour: { type: 'string' } },
  };
  await crds.create(
    {
      metadata: { name: 'nets.test.trawler.dev' },
      spec: {
        group: NETS.group,
        scope: 'Namespaced',
        names: { plural: NETS.plural, singular: 'net', kind: NETS.kind, listKind: 'NetList' },
        versions: [
          {
            name: NETS.version,
            served: true,
            storage: true,
            subresources: { status: {} },
            schema: { openAPIV3Schema: { type: 'object', properties: { spec, status: anything } } },
          },
        ],
      },
    },
    { signal },
  );
  await eventually(async () => {
    const crd = await crds.get({ name: 'nets.test.trawler.dev' }, { signal });
    return isConditionTrue(crd?.status?.conditions, 'Established');
  });
  const nets = api.resource<Net>(NETS);
  await eventually(() =>
    nets.list({ signal }).then(
      () => true,
      () => false,
    ),
  );
}

/** Resolves with the first result that is not false or undefined; rejects after 20 s. */
export async function eventually<T>(check: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const result = await check();
    if (result !== undefined && result !== false) return result;
    if (Date.now() > deadline) throw new Error(`not so within 20 s: ${check.toString()}`);
    await delay(20);
  }
}
