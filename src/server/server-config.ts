// The API server's configuration: its pod's environment, checked by one schema.
import { z } from 'zod';
import { LOG_LEVELS } from '../telemetry/logger.ts';
import { REQUESTS_PER_MINUTE } from './http/rate-limit.ts';

const port = z.coerce.number().int().min(0).max(65_535);

/** By environment variable. */
const environment = z.object({
  TRAWLER_SERVER_PORT: port.default(8_090),
  TRAWLER_DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must be a PostgreSQL URL, postgres://user:password@host:5432/database')
    .optional(),
  TRAWLER_DATABASE_URL_FILE: z.string().min(1).optional(),
  TRAWLER_DATABASE_CA_FILE: z.string().min(1).optional(),
  TRAWLER_DATABASE_SCHEMA: z
    .string()
    .regex(/^[a-z_][a-z0-9_]{0,40}$/, 'must be a lower-case SQL name of at most 41 characters')
    .default('trawler'),
  TRAWLER_SERVER_POOL_SIZE: z.coerce.number().int().min(1).max(100).default(5),
  TRAWLER_SERVER_REQUESTS_PER_MINUTE: z.coerce.number().int().min(1).max(1_000_000).default(REQUESTS_PER_MINUTE),
  TRAWLER_NAMESPACE: z.string().min(1).default('default'),
  TRAWLER_SERVER_TOKENS_SECRET: z.string().min(1).default('trawler-server-tokens'),
  TRAWLER_POD_NAME: z.string().min(1).default('server'),
  TRAWLER_HEALTH_PORT: port.default(8_080),
  TRAWLER_METRICS_PORT: port.default(2_112),
  TRAWLER_LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
});

export type ServerConfig = {
  readonly port: number;
  /** PostgreSQL as the role that reads: the URL, or the file that holds it. What is in PostgreSQL alone is answered with 503 without. */
  readonly database?: { readonly url: string } | { readonly file: string };
  readonly databaseCaFile?: string;
  readonly databaseSchema: string;
  readonly poolSize: number;
  /** Of one identity, in one replica. */
  readonly requestsPerMinute: number;
  /** The operator's own namespace, where its Lease is. */
  readonly namespace: string;
  /** The Secret in it that holds named tokens. */
  readonly tokensSecret: string;
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
  const { TRAWLER_DATABASE_URL: url, TRAWLER_DATABASE_URL_FILE: file, TRAWLER_DATABASE_CA_FILE: ca } = values;
  return {
    port: values.TRAWLER_SERVER_PORT,
    ...(url !== undefined ? { database: { url } } : file !== undefined ? { database: { file } } : {}),
    ...(ca === undefined ? {} : { databaseCaFile: ca }),
    databaseSchema: values.TRAWLER_DATABASE_SCHEMA,
    poolSize: values.TRAWLER_SERVER_POOL_SIZE,
    requestsPerMinute: values.TRAWLER_SERVER_REQUESTS_PER_MINUTE,
    namespace: values.TRAWLER_NAMESPACE,
    tokensSecret: values.TRAWLER_SERVER_TOKENS_SECRET,
    podName: values.TRAWLER_POD_NAME,
    healthPort: values.TRAWLER_HEALTH_PORT,
    metricsPort: values.TRAWLER_METRICS_PORT,
    logLevel: values.TRAWLER_LOG_LEVEL,
  };
}
