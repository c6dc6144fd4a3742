// What all fault tests stand on: a real API server with its controllers and audit log, a real PostgreSQL, the operator.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import { CRAWL_RUNS, CRAWL_SCHEDULES, type CrawlRun, type CrawlSchedule } from '#src/custom-resources/types.ts';
import {
  JOBS,
  type Job,
  NAMESPACES,
  type Namespace,
  PODS,
  type Pod,
  SECRETS,
  type Secret,
} from '#src/kube/builtin-types.ts';
import { createKubeApi } from '#src/kube/client.ts';
import { createKubeMetrics } from '#src/kube/metrics.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { installCrds } from '../support/crds.ts';
import { bundleOperator } from '../support/operator-process.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';

export interface World {
  plane: ControlPlane;
  postgres: PostgresServer;
  /** The API server's own address, past every proxy. */
  config: KubeConfig;
  /** The user's and the test's own view, past every proxy. */
  kube: Kube;
  /** The bundled operator. */
  program: string;
  /** For kubeconfigs and logs. */
  directory: string;
  stop(): Promise<void>;
}

export type Kube = ReturnType<typeof clients>;

export async function startWorld(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'trawler-faults-'));
  const [plane, postgres, program] = await Promise.all([
    startControlPlane({ controllerManager: true, audit: true, auditObjects: ['crawlruns', 'crawlruns/status'] }),
    startPostgres(15, { settings: { max_connections: '200' } }),
    bundleOperator(join(directory, 'operator')),
  ]);
  await installCrds(plane);
  const config = new KubeConfig();
  config.loadFromFile(plane.kubeconfigPath);
  return {
    ...{ plane, postgres, config, program, directory },
    kube: clients(config),
    stop: async () => {
      await Promise.all([plane.stop(), postgres.stop()]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function clients(config: KubeConfig) {
  const api = createKubeApi(config, {
    logger: pino({ level: 'silent' }),
    metrics: createKubeMetrics(createRegistry()),
  });
  return {
    schedules: api.resource<CrawlSchedule>(CRAWL_SCHEDULES),
    runs: api.resource<CrawlRun>(CRAWL_RUNS),
    jobs: api.resource<Job>(JOBS),
    secrets: api.resource<Secret>(SECRETS),
    pods: api.resource<Pod>(PODS),
    namespaces: api.resource<Namespace>(NAMESPACES),
    api,
  };
}
