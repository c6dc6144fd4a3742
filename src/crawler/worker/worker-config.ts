// A worker's configuration: its pod's environment for what is public, files for what is secret.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { LOG_LEVELS } from '../../telemetry/logger.ts';
import type { GatewayOptions } from '../gateway/gateway-calls.ts';
import { parseAllowedAddresses } from '../network/address-policy.ts';

const allowedAddresses = z.string().transform((text, context) => {
  try {
    return parseAllowedAddresses(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    return z.NEVER;
  }
});

/** By environment variable. */
const environment = z.object({
  TRAWLER_RUN_ID: z.uuid(),
  TRAWLER_RUN_DAY: z.iso.date(),
  TRAWLER_WORKER_ID: z.uuid(),
  TRAWLER_POD_NAME: z.string().min(1),
  TRAWLER_NODE_NAME: z.string().default(''),
  TRAWLER_GATEWAY_URL: z.url({ protocol: /^https?$/ }),
  TRAWLER_LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  TRAWLER_ALLOWED_ADDRESSES: allowedAddresses.default([]),
  TRAWLER_ALLOWED_PROXIES: z
    .string()
    .default('')
    .transform((text) => text.split(',').filter(Boolean)),
  TRAWLER_PROXY_FILE: z.string().min(1).default('/run/trawler-proxy/url'),
  TRAWLER_CA_FILE: z.string().min(1).default('/run/trawler-ca/ca.crt'),
  TRAWLER_CREDENTIALS_DIR: z.string().min(1).default('/run/trawler'),
  TRAWLER_EXTRACTOR_DIR: z.string().min(1).default('/run/trawler-extractor'),
  TRAWLER_URL_LISTS_DIR: z.string().min(1).default('/run/trawler-url-lists'),
  TRAWLER_HEADERS_DIR: z.string().min(1).default('/run/trawler-headers'),
  TRAWLER_CHROMIUM: z.string().min(1).optional(),
  TRAWLER_OUTPUT_DIR: z.string().min(1).default('/output'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  TRAWLER_TRACED_PAGES: z.coerce.number().min(0).max(1).default(0.1),
});

export type WorkerConfig = {
  readonly runId: string;
  /** YYYY-MM-DD, UTC. */
  readonly runDay: string;
  readonly workerId: string;
  readonly podName: string;
  readonly nodeName: string;
  /** Where the gateway is, and how it is spoken to. */
  readonly gateway: GatewayOptions;
  readonly logLevel: z.output<typeof environment>['TRAWLER_LOG_LEVEL'];
  readonly allowedAddresses: ReturnType<typeof parseAllowedAddresses>;
  /** host:port of proxies that a run may use. */
  readonly allowedProxies: readonly string[];
  /** Where the proxy's URL is, for a run that has one. */
  readonly proxyFile: string;
  /** Where the key of spec.fetch.caSecretRef is mounted. */
  readonly caFile: string;
  /** Where the ConfigMap of a custom extractor is mounted. */
  readonly extractorDirectory: string;
  /** Where the lists of sources[].urlsFrom are mounted. */
  readonly urlListsDirectory: string;
  /** Where the Secret of spec.fetch.headersSecretRef is mounted. */
  readonly headersDirectory: string;
  /** Path of the browser; the usual places are searched without it. */
  readonly chromium?: string;
  /** Where the volume of spec.output is mounted. */
  readonly outputDirectory: string;
  /** Where spans go, and of which share of the pages; absent when nowhere. */
  readonly traces?: { readonly url: string; readonly share: number };
};

/** A value that cannot be used; the message names the key and never holds the value of a secret. */
export class WorkerConfigError extends Error {
  override readonly name = 'WorkerConfigError';
}

/** Throws a WorkerConfigError that names every key which is missing or wrong. */
export function loadWorkerConfig(variables: NodeJS.ProcessEnv): WorkerConfig {
  const parsed = environment.safeParse(variables);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new WorkerConfigError(problems.join('; '));
  }
  const values = parsed.data;
  const directory = values.TRAWLER_CREDENTIALS_DIR;
  const ca = readOptional(join(directory, 'ca.crt'));
  return {
    runId: values.TRAWLER_RUN_ID,
    runDay: values.TRAWLER_RUN_DAY,
    workerId: values.TRAWLER_WORKER_ID,
    podName: values.TRAWLER_POD_NAME,
    nodeName: values.TRAWLER_NODE_NAME,
    gateway: {
      url: values.TRAWLER_GATEWAY_URL,
      ...(ca === undefined ? {} : { ca }),
      token: readSecret(join(directory, 'token')),
    },
    logLevel: values.TRAWLER_LOG_LEVEL,
    allowedAddresses: values.TRAWLER_ALLOWED_ADDRESSES,
    headersDirectory: values.TRAWLER_HEADERS_DIR,
    outputDirectory: values.TRAWLER_OUTPUT_DIR,
    allowedProxies: values.TRAWLER_ALLOWED_PROXIES,
    proxyFile: values.TRAWLER_PROXY_FILE,
    caFile: values.TRAWLER_CA_FILE,
    extractorDirectory: values.TRAWLER_EXTRACTOR_DIR,
    urlListsDirectory: values.TRAWLER_URL_LISTS_DIR,
    ...tracesOf(values),
    ...(values.TRAWLER_CHROMIUM === undefined ? {} : { chromium: values.TRAWLER_CHROMIUM }),
  };
}

function tracesOf(values: z.output<typeof environment>): Pick<WorkerConfig, 'traces'> {
  const url = values.OTEL_EXPORTER_OTLP_ENDPOINT;
  return url === undefined ? {} : { traces: { url, share: values.TRAWLER_TRACED_PAGES } };
}

function readSecret(path: string): string {
  const content = readOptional(path);
  if (content === undefined || content === '') throw new WorkerConfigError(`${path}: is missing or empty`);
  return content;
}

function readOptional(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
}
