// The HTTP side of the gateway: POST /v1/<call> with a bearer token, JSON both ways, problem documents for errors.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../telemetry/logger.ts';
import { boundConnections } from './fair-connections.ts';
import { LineFullError } from './fair-line.ts';
import type { GatewayLimits } from './limits.ts';
import type { GatewayMetrics } from './metrics.ts';
import { CALL_PATH_PREFIX, CALLS, type CallName, isCallName } from './protocol/calls.ts';
import { isOfDatabase, PROBLEM_TYPE, type Problem, problemOf } from './protocol/problem.ts';
import { StoreError } from './protocol/store-error.ts';
import { BodyError, createBodyReader } from './request-body.ts';
import type { HeldTime } from './waiting-claims.ts';
import type { Answer, CallingRun, WorkerService } from './worker-service.ts';

const MAX_HEADER_BYTES = 8 * 1_024;
/** How late the end of a request's time may be noticed. */
const CHECK_TIMEOUTS_MS = 2_000;
/** Longer than workers keep them, so that it is their side that closes. */
const KEEP_ALIVE_MS = 60_000;
const LOG_TROUBLE_EVERY_MS = 10_000;
/** What a worker that is turned away waits. */
const RETRY_AFTER_SECONDS = 1;

export type Certificate = { readonly cert: string; readonly key: string };

export type HttpServerOptions = {
  readonly port: number;
  /** Plain HTTP without it. */
  readonly certificate?: Certificate;
  readonly service: WorkerService;
  readonly limits: GatewayLimits;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
};

export type HttpServer = {
  readonly port: number;
  setCertificate(certificate: Certificate): void;
  /** From now on connections are closed after each answer, and claims do not wait. */
  drain(): void;
  /** Takes no new connections, and resolves when all answers are given; what is still open after so long is cut. */
  close(withinMs: number): Promise<void>;
};

/** An error that is no StoreError: the request itself is wrong. */
class RequestError extends Error {
  readonly problem: Problem;

  constructor(status: number, reason: Problem['reason'], detail: string) {
    super(detail);
    this.problem = { title: reason, status, reason, detail };
  }
}

export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { service, limits, metrics, logger, certificate } = options;
  const bodies = createBodyReader(limits.bodyMemory);
  let isDraining = false;
  let lastLoggedAt = Number.NEGATIVE_INFINITY;

  /** Workers are told that PostgreSQL is away, and the log why: not for each of their requests. */
  function logTrouble(error: StoreError): void {
    if (performance.now() - lastLoggedAt < LOG_TROUBLE_EVERY_MS) return;
    lastLoggedAt = performance.now();
    logger.warn({ reason: error.reason, error: error.message }, 'PostgreSQL does not serve');
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const began = performance.now();
    let name: CallName | undefined;
    let run: CallingRun | undefined;
    let answer: Answer | undefined;
    let problem: Problem | undefined;
    const held: HeldTime = { ms: 0 };
    const gone = new AbortController();
    response.on('close', () => gone.abort(new Error('the worker has gone')));
    try {
      name = callNameOf(request);
      run = await service.runOf(tokenOf(request), request.socket.remoteAddress ?? '');
      answer = await answerTo(name, run, request, held, gone.signal);
    } catch (error) {
      if (gone.signal.aborted) return;
      problem = problemFor(error, logger);
      if (error instanceof StoreError && isOfDatabase(error)) logTrouble(error);
      const reason = reasonToTurnAway(error);
      if (reason !== undefined) metrics.turnedAway(reason, run?.namespace);
    }
    if (isDraining) response.setHeader('connection', 'close');
    if (answer !== undefined) send(response, 200, 'application/json', answer.json);
    else if (problem !== undefined) refuse(request, response, problem);
    const seconds = (performance.now() - began - held.ms) / 1_000;
    metrics.answered(name ?? 'unknown', problem?.status ?? 200, seconds, run?.namespace);
    if (answer?.undo !== undefined && gone.signal.aborted) await answer.undo();
  }

  async function answerTo(
    name: CallName,
    run: CallingRun,
    request: IncomingMessage,
    held: HeldTime,
    signal: AbortSignal,
  ): Promise<Answer> {
    if (!service.takeRequest(run)) throw new RequestError(429, 'Unavailable', 'the run asks too often');
    const { request: schema, maxBytes } = CALLS[name];
    return bodies.withJson(request, run.runId, maxBytes, (body) => {
      const parsed = schema.safeParse(body);
      if (parsed.success) return service.call(name, parsed.data as never, run, held, signal);
      const problems = parsed.error.issues.slice(0, 3).map(({ path, message }) => `${path.join('.')}: ${message}`);
      throw new RequestError(400, 'Refused', problems.join('; '));
    });
  }

  /** An answer with an error, for a request whose body may not have been read. */
  function refuse(request: IncomingMessage, response: ServerResponse, problem: Problem): void {
    const { status } = problem;
    if (status === 401) {
      metrics.tokenRefused();
      response.setHeader('www-authenticate', 'Bearer');
    }
    if (status === 429 || status === 503) response.setHeader('retry-after', RETRY_AFTER_SECONDS);
    // What is left of the body is not waited for.
    if (!request.complete) response.setHeader('connection', 'close');
    send(response, status, PROBLEM_TYPE, JSON.stringify(problem));
  }

  const listener = (request: IncomingMessage, response: ServerResponse) => {
    serve(request, response).catch((error: unknown) => {
      logger.error({ err: error }, 'a request failed in an unforeseen way');
      response.destroy();
    });
  };
  const timeouts = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: limits.headMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: Math.min(CHECK_TIMEOUTS_MS, limits.headMs),
  };
  // Only workers of ours come here: what older versions of TLS allow, such as renegotiation, nobody needs.
  const tlsOptions = { handshakeTimeout: limits.headMs, minVersion: 'TLSv1.3' } as const;
  const tls = certificate && createTlsServer({ ...timeouts, ...tlsOptions, ...certificate }, listener);
  const server: Server | TlsServer = tls ?? createServer(timeouts, listener);
  boundConnections(server, limits.connections);
  server.listen(options.port);
  await once(server, 'listening');

  return {
    port: (server.address() as AddressInfo).port,
    setCertificate(next) {
      tls?.setSecureContext({ ...next, minVersion: tlsOptions.minVersion });
    },
    drain() {
      isDraining = true;
      service.drain();
      server.closeIdleConnections();
    },
    async close(withinMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), withinMs);
      await closed;
      clearTimeout(cut);
    },
  };
}

function callNameOf({ url = '', method }: IncomingMessage): CallName {
  const name = url.startsWith(CALL_PATH_PREFIX) ? url.slice(CALL_PATH_PREFIX.length) : '';
  if (!isCallName(name)) {
    // A worker that is newer than this gateway may ask for what comes later.
    throw new RequestError(404, 'SchemaMismatch', 'this gateway knows no such call: it may be older than the crawler');
  }
  if (method !== 'POST') throw new RequestError(405, 'Refused', 'calls are made with POST');
  return name;
}

function tokenOf({ headers }: IncomingMessage): string {
  const [, token] = /^Bearer ([\w-]{1,200})$/.exec(headers.authorization ?? '') ?? [];
  if (token === undefined) throw new RequestError(401, 'TokenRefused', 'the request carries no bearer token');
  return token;
}

function problemFor(error: unknown, logger: Logger): Problem {
  if (error instanceof RequestError) return error.problem;
  if (error instanceof StoreError) return problemOf(error);
  if (error instanceof BodyError) {
    const { status, message } = error;
    const reason = status === 503 ? 'Unavailable' : 'Refused';
    return { title: reason, status, reason, detail: message };
  }
  if (error instanceof Error && error.name === 'TimeoutError') {
    return problemOf(new StoreError('Unavailable', 'the database has not answered in time'));
  }
  logger.error({ err: error }, 'a request failed in an unforeseen way');
  return { title: 'Unavailable', status: 500, reason: 'Unavailable', detail: 'the gateway has failed' };
}

function reasonToTurnAway(error: unknown): 'LineFull' | 'BodiesFull' | 'TooManyRequests' | undefined {
  if (error instanceof LineFullError) return 'LineFull';
  if (error instanceof BodyError && error.status === 503) return 'BodiesFull';
  return error instanceof RequestError && error.problem.status === 429 ? 'TooManyRequests' : undefined;
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
}
