// The HTTP endpoints that Kubernetes and Prometheus ask: /health, /ready and /metrics.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Registry } from 'prom-client';
import { exposition, expositionType } from './exposition.ts';
import type { ReadinessCheck } from './readiness.ts';

export type ProbeServerOptions = {
  readonly healthPort: number;
  readonly metricsPort: number;
  readonly registry: Registry;
  /** Of each dependency; the process is ready when all are. Liveness asks nobody. */
  readonly readiness: Readonly<Record<string, ReadinessCheck>>;
};

export type ProbeServer = {
  readonly healthPort: number;
  readonly metricsPort: number;
  close(): Promise<void>;
};

export async function startProbeServer(options: ProbeServerOptions): Promise<ProbeServer> {
  const health = createServer((request, response) => {
    void (async () => {
      if (request.url === '/health') return send(200, { status: 'ok' });
      if (request.url !== '/ready')
        return send(404, { error: `no such path: ${request.url}; there are /health and /ready` });
      const entries = Object.entries(options.readiness).map(async ([name, check]) => [name, await check()] as const);
      const checks = Object.fromEntries(await Promise.all(entries));
      const isReady = Object.values(checks).every((state) => state === true);
      return send(isReady ? 200 : 503, { status: isReady ? 'ready' : 'not ready', checks });
    })().catch((error: unknown) => send(500, { error: String(error) }));

    function send(status: number, body: object): void {
      response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
    }
  });
  const metrics = createServer((request, response) => {
    const type = expositionType(request.headers.accept);
    response.writeHead(200, { 'content-type': type });
    // Whoever asks may go before the end, and a metric that cannot be read cuts the answer: a part is not taken for the whole.
    pipeline(Readable.from(exposition(options.registry, type)), response).catch(() => response.destroy());
  });
  const [healthPort, metricsPort] = await Promise.all([
    listen(health, options.healthPort),
    listen(metrics, options.metricsPort),
  ]);
  return {
    healthPort,
    metricsPort,
    close: async () => {
      await Promise.all([health, metrics].map(stop));
    },
  };
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
