// The life of the API server's process: serve until a signal, then answer what is under way and end.
import { readFile } from 'node:fs/promises';
import { createKubeApi } from '../kube/client.ts';
import { loadKubeConfig } from '../kube/kube-config.ts';
import { createKubeMetrics } from '../kube/metrics.ts';
import { createPoolMetrics, type PoolMetrics } from '../store/pool-metrics.ts';
import { RELEASE } from '../store/release.ts';
import { createServerStore, type ServerStore } from '../store/server-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import { createProcessRegistry } from '../telemetry/metrics.ts';
import { startProbeServer } from '../telemetry/probe-server.ts';
import { createRequestMetrics } from './http/request-metrics.ts';
import { startServer } from './server.ts';
import type { ServerConfig } from './server-config.ts';

/** What is under way at the end has so long; the pod has 30 s. */
const END_WITHIN_MS = 20_000;

/** Runs until the signal is aborted, and resolves when everything is closed. */
export async function runServer(config: ServerConfig, logger: Logger, signal: AbortSignal): Promise<void> {
  const registry = createProcessRegistry('server', RELEASE);
  const metrics = createKubeMetrics(registry);
  const requestMetrics = createRequestMetrics(registry);
  const poolMetrics = createPoolMetrics(registry);
  const api = createKubeApi(loadKubeConfig(), { logger, metrics });
  const store = await openStore(config, poolMetrics, logger);
  const server = await startServer({
    ...{ api, port: config.port, identity: config.podName, systemNamespace: config.namespace },
    tokensSecret: config.tokensSecret,
    ...{ metrics, requestMetrics, logger, requestsPerMinute: config.requestsPerMinute },
    ...(store === undefined ? {} : { store }),
  });
  const probes = await startProbeServer({
    ...{ healthPort: config.healthPort, metricsPort: config.metricsPort, registry },
    readiness: { end: async () => !signal.aborted || 'this replica ends', ...server.readiness },
  });
  logger.info({ port: server.port }, 'API server serves');
  try {
    await untilAborted(signal);
  } finally {
    await server.close(END_WITHIN_MS);
    await Promise.allSettled([probes.close(), api.close(), store?.close()]);
  }
}

async function openStore(config: ServerConfig, metrics: PoolMetrics, logger: Logger): Promise<ServerStore | undefined> {
  const { database, databaseCaFile, databaseSchema: schema, poolSize } = config;
  if (database === undefined) return undefined;
  const databaseUrl = 'url' in database ? database.url : (await readFile(database.file, 'utf8')).trim();
  const ca = databaseCaFile === undefined ? {} : { ca: await readFile(databaseCaFile, 'utf8') };
  return createServerStore({ databaseUrl, schema, poolSize, metrics, logger, ...ca });
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
