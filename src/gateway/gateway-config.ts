// The gateway's configuration: its pod's environment, checked by one schema.
import { z } from 'zod';
import { LOG_LEVELS } from '../telemetry/logger.ts';

const port = z.coerce.number().int().min(0).max(65_535);
const path = z.string().min(1);
const postgresUrl = z
  .string()
  .regex(/^postgres(ql)?:\/\//, 'must be a PostgreSQL URL, postgres://user:password@host:5432/database');

/** By environment variable. */
const environment = z
  .object({
    TRAWLER_DATABASE_URL: postgresUrl.optional(),
    TRAWLER_DATABASE_URL_FILE: path.optional(),
    TRAWLER_DATABASE_CA_FILE: path.optional(),
    TRAWLER_DATABASE_SCHEMA: z
      .string()
      .regex(/^[a-z_][a-z0-9_]{0,40}$/, 'must be a lower-case SQL name of at most 41 characters')
      .default('trawler'),
    TRAWLER_GATEWAY_PORT: port.default(8_443),
    TRAWLER_GATEWAY_TLS_CERT_FILE: path.optional(),
    TRAWLER_GATEWAY_TLS_KEY_FILE: path.optional(),
    TRAWLER_GATEWAY_POOL_SIZE: z.coerce.number().int().min(1).max(200).default(8),
    TRAWLER_HEALTH_PORT: port.default(8_080),
    TRAWLER_METRICS_PORT: port.default(2_112),
    TRAWLER_LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  })
  .refine(
    (values) => (values.TRAWLER_DATABASE_URL === undefined) !== (values.TRAWLER_DATABASE_URL_FILE === undefined),
    {
      path: ['TRAWLER_DATABASE_URL'],
      message: 'exactly one of TRAWLER_DATABASE_URL and TRAWLER_DATABASE_URL_FILE is to be set',
    },
  )
  .refine(
    (values) =>
      (values.TRAWLER_GATEWAY_TLS_CERT_FILE === undefined) === (values.TRAWLER_GATEWAY_TLS_KEY_FILE === undefined),
    {
      path: ['TRAWLER_GATEWAY_TLS_CERT_FILE'],
      message: 'TRAWLER_GATEWAY_TLS_CERT_FILE and TRAWLER_GATEWAY_TLS_KEY_FILE are set together, or neither is',
    },
  );

export type GatewayConfig = {
  /** PostgreSQL as the gateway's role: the URL, or the file that holds it and may change. */
  readonly database: { readonly url: string } | { readonly file: string };
  readonly databaseCaFile?: string;
  readonly databaseSchema: string;
  readonly port: number;
  /** Files in PEM that may change; plain HTTP without them. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** Connections for calls; two more are for heartbeats and looks. */
  readonly poolSize: number;
  readonly healthPort: number;
  readonly metricsPort: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
};

/** A value that stops the start; the message names the key and never holds the value. */
export class GatewayConfigError extends Error {
  override readonly name = 'GatewayConfigError';
}

/** Variables that are empty count as absent. Throws a GatewayConfigError that names every key which is missing or wrong. */
export function loadGatewayConfig(variables: NodeJS.ProcessEnv): GatewayConfig {
  const set = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const parsed = environment.safeParse(set);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new GatewayConfigError(problems.join('; '));
  }
  const values = parsed.data;
  const { TRAWLER_DATABASE_URL: url, TRAWLER_DATABASE_URL_FILE: file = '', TRAWLER_DATABASE_CA_FILE: ca } = values;
  const { TRAWLER_GATEWAY_TLS_CERT_FILE: certFile, TRAWLER_GATEWAY_TLS_KEY_FILE: keyFile } = values;
  return {
    database: url === undefined ? { file } : { url },
    ...(ca === undefined ? {} : { databaseCaFile: ca }),
    databaseSchema: values.TRAWLER_DATABASE_SCHEMA,
    port: values.TRAWLER_GATEWAY_PORT,
    ...(certFile === undefined || keyFile === undefined ? {} : { tls: { certFile, keyFile } }),
    poolSize: values.TRAWLER_GATEWAY_POOL_SIZE,
    healthPort: values.TRAWLER_HEALTH_PORT,
    metricsPort: values.TRAWLER_METRICS_PORT,
    logLevel: values.TRAWLER_LOG_LEVEL,
  };
}
