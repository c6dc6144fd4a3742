// The gateway put together: two pools of connections, the calls of workers over them, and the server that workers reach.
import type { Registry } from 'prom-client';
import { createPool } from '../store/connection.ts';
import { createPoolMetrics } from '../store/pool-metrics.ts';
import { createWorkerFunctions } from '../store/worker-calls.ts';
import type { Logger } from '../telemetry/logger.ts';
import { createCrawlMetrics } from './crawl-metrics.ts';
import { type Certificate, startHttpServer } from './http-server.ts';
import { DEFAULT_LIMITS, type GatewayLimits } from './limits.ts';
import { createGatewayMetrics } from './metrics.ts';
import { createWorkerService, RESERVED_CONNECTIONS } from './worker-service.ts';

export type GatewayOptions = {
  readonly port: number;
  /** PostgreSQL, as the role that may call the functions of workers and nothing else. */
  readonly databaseUrl: string;
  /** PEM of the authority that signed PostgreSQL's certificate. */
  readonly ca?: string;
  readonly schema: string;
  /** Connections for calls, beside those for heartbeats and looks. */
  readonly poolSize: number;
  /** Those that are to differ. */
  readonly limits?: Partial<GatewayLimits>;
  /** Plain HTTP without it. */
  readonly certificate?: Certificate;
  readonly registry: Registry;
  readonly logger: Logger;
};

export type Gateway = {
  readonly port: number;
  /** Rejects when the database does not answer, or its functions do not fit this program. */
  check(signal: AbortSignal): Promise<void>;
  /**
   * New calls go by this login; the old one has to be good until those under way have ended. Throws for what is no URL, and goes
   * on by the old one.
   */
  setDatabaseUrl(databaseUrl: string): void;
  setCertificate(certificate: Certificate): void;
  /** Answers claims that wait, and closes connections after their answers; new ones are still taken. */
  drain(): void;
  /** Ends what is under way within so many milliseconds, and closes everything. */
  close(withinMs: number): Promise<void>;
};

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { schema, poolSize, registry, logger, ca } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const poolMetrics = createPoolMetrics(registry);
  const openPools = (databaseUrl: string) => {
    const access = {
      ...{ databaseUrl, applicationName: 'trawler-gateway', metrics: poolMetrics },
      ...(ca === undefined ? {} : { ca }),
    };
    return {
      calls: createPool({ ...access, max: poolSize, logger }),
      reserved: createPool({ ...access, max: RESERVED_CONNECTIONS }),
    };
  };
  let pools = openPools(options.databaseUrl);
  const reserved = createWorkerFunctions(() => pools.reserved, schema);
  const service = createWorkerService({
    functions: createWorkerFunctions(() => pools.calls, schema),
    reserved,
    poolSize,
    limits,
    onLookFailed(error) {
      metrics.lookFailed();
      logger.debug({ error: String(error) }, 'a look for work failed');
    },
    onCommitted: (run, { outcomes }, answer) => crawl.committed(run, outcomes, JSON.parse(answer) as string[]),
  });
  const crawl = createCrawlMetrics(registry);
  const metrics = createGatewayMetrics(registry, {
    waitingClaims: () => service.waitingClaims,
    connectionsUsed: () => service.connectionsUsed,
    connectionsWaitedFor: () => service.connectionsWaitedFor,
  });
  const { port, certificate } = options;
  const server = await startHttpServer({
    ...{ port, service, limits, metrics, logger },
    ...(certificate === undefined ? {} : { certificate }),
  });
  return {
    port: server.port,
    check: (signal) => reserved.checkVersion(signal),
    setDatabaseUrl(databaseUrl) {
      if (!URL.canParse(databaseUrl)) throw new TypeError('it is no URL');
      const { calls, reserved: others } = pools;
      pools = openPools(databaseUrl);
      // What is under way ends on its connection.
      for (const pool of [calls, others]) void pool.end();
    },
    setCertificate: (next) => server.setCertificate(next),
    drain: () => server.drain(),
    async close(withinMs) {
      server.drain();
      await server.close(withinMs);
      await Promise.all([pools.calls.end(), pools.reserved.end()]);
    },
  };
}
