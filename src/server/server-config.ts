// The API server's configuration: its pod's environment, checked by one schema.
import { z } from 'zod';
import { LOG_LEVELS } from '../telemetry/logger.ts';

const port = z.coerce.number().int().min(0).max(65_535);

/** By environment variable. */
const environment = z.object({
  TRAWLER_SERVER_PORT: port.default(8_090),
  TRAWLER_NAMESPACE: z.string().min(1).default('default'),
  TRAWLER_POD_NAME: z.string().min(1).default('server'),
  TRAWLER_HEALTH_PORT: port.default(8_080),
  TRAWLER_METRICS_PORT: port.default(2_112),
  TRAWLER_LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
});

export type ServerConfig = {
  readonly port: number;
  /** The operator's own namespace, where its Lease is. */
  readonly namespace: string;
  /** As Events name it. */
  readonly podName: string;
  readonly healthPort: number;
  readonly metricsPort: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
};

/** A value that stops the start; the message names the key and never holds the value. */
export class ServerConfigError extends Error {
  override readonly name = 'ServerConfigError';
}

/** Variables that are empty count as absent. Throws a ServerConfigError that names every key which is missing or wrong. */
export function loadServerConfig(variables: NodeJS.ProcessEnv): ServerConfig {
  const set = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const parsed = environment.safeParse(set);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new ServerConfigError(problems.join('; '));
  }
  const values = parsed.data;
  return {
    port: values.TRAWLER_SERVER_PORT,
    namespace: values.TRAWLER_NAMESPACE,
    podName: values.TRAWLER_POD_NAME,
    healthPort: values.TRAWLER_HEALTH_PORT,
    metricsPort: values.TRAWLER_METRICS_PORT,
    logLevel: values.TRAWLER_LOG_LEVEL,
  };
}
