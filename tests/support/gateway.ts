// Gateways and workers' stores for tests: a real gateway on a free port, and the worker's side that speaks to it.
import type { Registry } from 'prom-client';
import { openGateway } from '#src/crawler/gateway/gateway-calls.ts';
import { createHeartbeatStore, createWorkerStore } from '#src/crawler/gateway/worker-store.ts';
import { type Gateway, type GatewayOptions, startGateway } from '#src/gateway/gateway.ts';
import type { HeartbeatStore, WorkerStore } from '#src/gateway/protocol/worker-store.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';
import { openDatabaseCalls } from './database-calls.ts';

export type TestGateway = AsyncDisposable & {
  readonly url: string;
  readonly gateway: Gateway;
  readonly registry: Registry;
};

export async function startTestGateway(
  options: Pick<GatewayOptions, 'databaseUrl' | 'schema'> & Partial<GatewayOptions>,
): Promise<TestGateway> {
  const registry = createRegistry();
  const gateway = await startGateway({
    ...{ port: 0, poolSize: 20, registry, logger: createLogger('test', 'fatal') },
    ...options,
  });
  return {
    gateway,
    registry,
    url: `${options.certificate === undefined ? 'http' : 'https'}://127.0.0.1:${gateway.port}`,
    [Symbol.asyncDispose]: () => gateway.close(0),
  };
}

export type GatewayWorker = {
  readonly gatewayUrl: string;
  readonly token: string;
  readonly workerId: string;
  readonly ca?: string;
  readonly waitMs?: number;
};

export function gatewayWorkerStore({ gatewayUrl, ...options }: GatewayWorker): WorkerStore {
  return createWorkerStore({ ...options, calls: openGateway({ ...options, url: gatewayUrl }) });
}

export function gatewayHeartbeats({ gatewayUrl, ...options }: GatewayWorker): HeartbeatStore {
  return createHeartbeatStore({ ...options, calls: openGateway({ ...options, url: gatewayUrl }) });
}

export type DatabaseWorker = {
  readonly databaseUrl: string;
  readonly ca?: string;
  readonly schema: string;
  readonly token: string;
  readonly workerId: string;
};

/** A worker's store over a connection of its own, for tests of the functions themselves. */
export function databaseWorkerStore({ workerId, ...access }: DatabaseWorker): WorkerStore {
  return createWorkerStore({ workerId, calls: openDatabaseCalls({ ...access, applicationName: 'trawler-worker' }) });
}

export function databaseHeartbeats({ workerId, ...access }: DatabaseWorker): HeartbeatStore {
  return createHeartbeatStore({
    workerId,
    calls: openDatabaseCalls({ ...access, applicationName: 'trawler-heartbeat' }),
  });
}
