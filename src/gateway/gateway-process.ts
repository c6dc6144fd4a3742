// The life of the gateway's process: wait for its certificate and its database login, serve, follow both as they change,
// and end in two steps, so that no worker notices more than a closed connection.
import { readFile } from 'node:fs/promises';
import { RELEASE } from '../store/release.ts';
import type { Logger } from '../telemetry/logger.ts';
import { createProcessRegistry } from '../telemetry/metrics.ts';
import { startProbeServer } from '../telemetry/probe-server.ts';
import type { Readiness } from '../telemetry/readiness.ts';
import { type Gateway, startGateway } from './gateway.ts';
import type { GatewayConfig } from './gateway-config.ts';
import type { Certificate } from './http-server.ts';
import { pause } from './pause.ts';
import { type FileChanges, type FileWatch, watchFiles } from './watched-file.ts';

const READINESS_TIMEOUT_MS = 2_000;
/** New connections still come in until every node has heard that this replica ends. */
const LAST_CONNECTIONS_MS = 3_000;
/** What is under way after that has so long. */
const END_WITHIN_MS = 15_000;

/** Runs until the signal is aborted, and resolves when everything is closed. */
export async function runGateway(config: GatewayConfig, logger: Logger, signal: AbortSignal): Promise<void> {
  const registry = createProcessRegistry('gateway', RELEASE);
  let gateway: Gateway | undefined;
  const watches: FileWatch[] = [];
  const probes = await startProbeServer({
    ...{ healthPort: config.healthPort, metricsPort: config.metricsPort, registry },
    readiness: {
      end: async () => !signal.aborted || 'this replica ends',
      database: () => (gateway === undefined ? waitsForFiles(config) : answers(gateway)),
    },
  });
  try {
    const { database, tls } = config;
    /** Takes over a change of mounted files, and goes on with what they held before where it cannot. */
    const follow = (what: string, takeOver: (contents: readonly string[]) => void): FileChanges => ({
      onChange(contents) {
        takeOver(contents);
        logger.info(`${what} has changed`);
      },
      onRefused: (error) => logger.warn({ error: String(error) }, `${what} has changed and cannot be used`),
    });
    const login =
      'url' in database
        ? undefined
        : await watchFiles(
            [database.file],
            follow('the login to the database', ([url = '']) => gateway?.setDatabaseUrl(url.trim())),
            signal,
          );
    if (login !== undefined) watches.push(login);
    const keys =
      tls &&
      (await watchFiles(
        [tls.certFile, tls.keyFile],
        follow('the certificate', (files) => gateway?.setCertificate(certificateOf(files))),
        signal,
      ));
    if (keys !== undefined) watches.push(keys);
    gateway = await startGateway({
      port: config.port,
      databaseUrl: 'url' in database ? database.url : (login?.contents[0] ?? '').trim(),
      ...(config.databaseCaFile === undefined ? {} : { ca: await readFile(config.databaseCaFile, 'utf8') }),
      schema: config.databaseSchema,
      poolSize: config.poolSize,
      ...(keys === undefined ? {} : { certificate: certificateOf(keys.contents) }),
      registry,
      logger,
    });
    logger.info({ port: gateway.port, tls: tls !== undefined }, 'gateway serves');
    await untilAborted(signal);
    gateway.drain();
    await pause(LAST_CONNECTIONS_MS, new AbortController().signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await gateway?.close(END_WITHIN_MS);
    await Promise.all(watches.map((watch) => watch.end()));
    await probes.close();
  }
}

function certificateOf([cert = '', key = '']: readonly string[]): Certificate {
  return { cert, key };
}

function waitsForFiles({ database, tls }: GatewayConfig): Promise<Readiness> {
  const files = ['file' in database ? database.file : undefined, tls?.certFile, tls?.keyFile].filter(Boolean);
  return Promise.resolve(`the gateway waits for ${files.join(', ')}`);
}

function answers(gateway: Gateway): Promise<Readiness> {
  return gateway.check(AbortSignal.timeout(READINESS_TIMEOUT_MS)).then(
    () => true,
    (error: unknown) => `PostgreSQL does not serve: ${error instanceof Error ? error.message : error}`,
  );
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
