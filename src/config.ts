// The operator's configuration: environment > file > default, checked by one schema.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { DEFAULT_POD_FIELDS, POLICED_POD_FIELDS } from './resources/pod-template.ts';
import { queueSettings } from './resources/queues.ts';
import { LOG_LEVELS } from './telemetry/logger.ts';

/** A value that stops the start; the message names the key and says what is wrong with it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const postgresUrl = z
  .string()
  .regex(/^postgres(ql)?:\/\//, 'must be a PostgreSQL URL, postgres://user:password@host:5432/database');

/** A list in the file, or entries with commas between them. */
const listOf = <T extends z.ZodType>(entry: T) =>
  z.preprocess(
    (value) =>
      typeof value === 'string'
        ? value
            .split(',')
            .map((one) => one.trim())
            .filter(Boolean)
        : value,
    z.array(entry),
  );

const list = listOf(z.string());

const port = z.coerce.number().int().min(0).max(65_535);
const count = z.coerce.number().int().min(1);
const flag = z.preprocess((value) => (value === 'true' ? true : value === 'false' ? false : value), z.boolean());

/** YAML or JSON in the environment; what cannot be read is left for the schema to refuse. */
function parsedText(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return parse(value);
  } catch {
    return value;
  }
}

/** Each key is read from TRAWLER_<KEY> in upper case with underscores, or from the file under its own name. */
const schema = z.object({
  databaseUrl: postgresUrl.describe('PostgreSQL as the owner of the schema.'),
  databaseGatewayUrl: postgresUrl
    .optional()
    .describe('PostgreSQL as the gateway reaches it, such as a pooler; databaseUrl when left out.'),
  databaseCaFile: z
    .string()
    .min(1)
    .optional()
    .describe("PEM file of the authority that signed PostgreSQL's certificate, which is checked then."),
  databaseSchema: z
    .string()
    .regex(/^[a-z_][a-z0-9_]{0,40}$/, 'must be a lower-case SQL name of at most 41 characters')
    .default('trawler')
    .describe('Schema in the database; two installs may share a database.'),
  databasePoolSize: count.max(100).default(5).describe('Connections of one operator.'),
  gatewayUrl: z
    .string()
    .regex(/^https?:\/\/[^/?#@]+$/, 'must be an origin, https://host:port')
    .optional()
    .describe('Where workers reach the gateway: https://host:port, or http://host:port behind a mesh that encrypts.'),
  gatewayTlsSecret: z
    .string()
    .min(1)
    .default('trawler-gateway-tls')
    .describe("Secret in the operator's namespace with the gateway's certificate: tls.crt, tls.key, ca.crt."),
  gatewayTlsManaged: flag
    .default(true)
    .describe('Whether the operator makes and renews that certificate; else somebody else does, such as cert-manager.'),
  gatewayLoginSecret: z
    .string()
    .min(1)
    .default('trawler-gateway-login')
    .describe("Secret in the operator's namespace to which it writes the gateway's database URL (key url)."),
  serverLoginSecret: z
    .string()
    .min(1)
    .optional()
    .describe("The same for the API server's login, which reads; none is written when left out."),
  gatewayConnections: count
    .max(10_000)
    .default(200)
    .describe('Connections that all replicas of the gateway together may have, where the operator makes their login.'),
  databaseMigrate: flag.default(true).describe('Whether the operator brings the schema up to date by itself.'),
  databaseRetentionDays: count
    .max(3_650)
    .default(30)
    .describe("Whole days of runs and results that are kept beside today's."),
  databaseHistoryDays: count
    .max(3_650)
    .default(400)
    .describe('The same for the summary that stays of each run; never less than databaseRetentionDays.'),
  databaseLogDays: count.max(3_650).default(30).describe('The same for what the pods of a run have logged.'),
  maintenanceSchedule: z
    .string()
    .default('0 2 * * *')
    .describe('When what is past its time is dropped: five or six cron fields.'),
  maintenanceTimeZone: z.string().default('Etc/UTC').describe('IANA time zone of maintenanceSchedule.'),
  watchNamespaces: list
    .default([])
    .describe('Namespaces whose schedules and runs are looked after; all of them when left out.'),
  namespace: z.string().default('default').describe("The operator's own namespace, where its Lease lives."),
  podName: z.string().default('operator').describe("The operator's pod, as the Lease and Events name it."),
  crawlerImage: z.string().min(1).default('ghcr.io/trawler/crawler:0.1.0').describe('Image of the crawler pods.'),
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).default('IfNotPresent').describe('When it is pulled.'),
  allowedAddresses: list
    .default([])
    .describe('host:port or network:port that crawls may reach though they are private.'),
  allowedProxies: list.default([]).describe('host:port of the proxies that crawls may go by.'),
  browserSeccompProfile: z
    .string()
    .min(1)
    .default('trawler/chromium.json')
    .describe("Seccomp profile of pods whose Chromium has its sandbox, in the kubelet's folder of profiles."),
  crawlerUser: z
    .union([z.literal('Assigned'), z.coerce.number().int().min(1).max(2_147_483_647)])
    .default(65_532)
    .transform((user) => (user === 'Assigned' ? undefined : user))
    .describe('User and group of crawler pods; Assigned: none, so that the cluster assigns them, as OpenShift does.'),
  allowedPodFields: z
    .preprocess((value) => (value === 'None' ? [] : value), listOf(z.enum(POLICED_POD_FIELDS)))
    .default([...DEFAULT_POD_FIELDS])
    .describe('Fields of spec.pod, and image, that schedules and runs may set; None for none.'),
  healthPort: port.default(8080).describe('Port of /health and /ready.'),
  metricsPort: port.default(2112).describe('Port of /metrics.'),
  reconcilers: count.max(64).default(32).describe('Objects of one kind worked on at once.'),
  maxActiveRuns: count.optional().describe('Most runs at work at once; the others wait. No limit when left out.'),
  maxActiveRunsPerNamespace: count.optional().describe('The same for each namespace.'),
  queues: z
    .preprocess(parsedText, queueSettings)
    .default({})
    .describe(
      'Named queues of runs and their own limits, such as {nightly: {maxActiveRuns: 5}}; default is always there.',
    ),
  logLevel: z.enum(LOG_LEVELS).default('info').describe('Least level of log lines.'),
  tracesUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Receiver of traces by OTLP over HTTP, http://host:4318; none are made when left out.'),
  tracedPages: z.coerce.number().min(0).max(1).default(0.1).describe('Share of the pages that have a span, 0 to 1.'),
});

export type Config = z.output<typeof schema> & {
  /** The certificates in databaseCaFile. */
  readonly databaseCa?: string;
};

const NO_WORKER_URL =
  'TRAWLER_DATABASE_WORKER_URL (databaseWorkerUrl) is gone: workers do not reach PostgreSQL any more. What the gateway is to use for them is TRAWLER_DATABASE_GATEWAY_URL (databaseGatewayUrl)';

/** TRAWLER_DATABASE_URL for databaseUrl. */
export function environmentName(key: string): string {
  return `TRAWLER_${key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** Reads the configuration; TRAWLER_CONFIG names the file, YAML or JSON. Throws a ConfigError. */
export function loadConfig(environment: NodeJS.ProcessEnv): Config {
  const path = environment['TRAWLER_CONFIG'];
  const fromFile = path ? readConfigFile(path) : {};
  const values: Record<string, unknown> = { ...fromFile };
  for (const key of Object.keys(schema.shape)) {
    const value = environment[environmentName(key)];
    if (value !== undefined && value !== '') values[key] = value;
  }
  if (environment['TRAWLER_DATABASE_WORKER_URL'] || 'databaseWorkerUrl' in values) throw new ConfigError(NO_WORKER_URL);
  const parsed = schema.strict().safeParse(values);
  if (parsed.success) return { ...parsed.data, ...readDatabaseCa(parsed.data.databaseCaFile) };
  const problems = parsed.error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys' && issue.path.length === 0)
      return `${path}: unknown key ${issue.keys.join(', ')}`;
    const key = String(issue.path[0]);
    const missing = values[key] === undefined ? 'is missing' : issue.message;
    return `${environmentName(key)} (${key}): ${missing}`;
  });
  throw new ConfigError(problems.join('; '));
}

function readDatabaseCa(path: string | undefined): { databaseCa?: string } {
  if (path === undefined) return {};
  const variable = environmentName('databaseCaFile');
  const databaseCa = readText(path, variable);
  if (!databaseCa.includes('-----BEGIN CERTIFICATE-----')) {
    throw new ConfigError(`${variable}: ${path} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)`);
  }
  return { databaseCa };
}

function readText(path: string, variable: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`${variable}: cannot read ${path}: ${error instanceof Error ? error.message : error}`);
  }
}

function readConfigFile(path: string): Record<string, unknown> {
  const text = readText(path, 'TRAWLER_CONFIG');
  let content: unknown;
  try {
    content = parse(text);
  } catch (error) {
    throw new ConfigError(`TRAWLER_CONFIG: ${path} is no YAML: ${error instanceof Error ? error.message : error}`);
  }
  if (content === null) return {};
  if (typeof content !== 'object' || Array.isArray(content))
    throw new ConfigError(`${path}: must be a map of keys to values`);
  return content as Record<string, unknown>;
}
