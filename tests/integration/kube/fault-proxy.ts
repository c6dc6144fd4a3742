// A proxy in front of the real API server that spoils chosen requests, so that real answers meet real faults.
import { once } from 'node:events';
import { type ClientRequest, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';

/**
 * Sees a request before the API server does. Returns true when it has answered (or never will); otherwise the request
 * goes on, with the url that the fault may have changed, at once or when the promise resolves.
 */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

export interface FaultProxy {
  /** Leads to the proxy; the proxy has the rights of the kubeconfig it was made from. */
  config: KubeConfig;
  /** Method and url of every request so far. */
  requests: string[];
  /** Applies to the next `times` requests that match. */
  inject(matches: (request: IncomingMessage) => boolean, fault: Fault, times?: number): void;
  /** Cuts every open watch. */
  dropWatches(): void;
  /** Passes nothing on any more, on connections that stay open, as if a cable were pulled. */
  freeze(): void;
  /** New connections work again; the frozen ones stay so. */
  thaw(): void;
  close(): Promise<void>;
}

interface Injection {
  matches: (request: IncomingMessage) => boolean;
  fault: Fault;
  left: number;
}

export async function startFaultProxy(upstream: KubeConfig): Promise<FaultProxy> {
  const requests: string[] = [];
  const injections: Injection[] = [];
  const watches = new Set<ServerResponse>();
  const frozenWatches = new Set<ServerResponse>();
  const forwarded = new Set<ClientRequest>();
  const credentials: RequestOptions = {};
  await upstream.applyToHTTPSOptions(credentials);
  const target = new URL(upstream.getCurrentCluster()?.server ?? '');
  let frozen = false;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    requests.push(`${request.method} ${request.url}`);
    if (frozen) return;
    const injection = injections.find(({ left, matches }) => left > 0 && matches(request));
    if (injection) {
      injection.left -= 1;
      if (await injection.fault(request, response)) return;
    }
    forward(request, response);
  }
  const server = createServer((request, response) => void handle(request, response));

  function forward(request: IncomingMessage, response: ServerResponse): void {
    if (isWatch(request)) {
      watches.add(response);
      response.on('close', () => watches.delete(response));
    }
    const { host: _, connection: __, ...headers } = request.headers;
    const onward = httpsRequest(
      {
        ...credentials,
        agent: false,
        host: target.hostname,
        port: target.port,
        path: request.url,
        method: request.method,
        headers,
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        response.flushHeaders();
        answer.on('data', (part) => {
          if (!frozenWatches.has(response)) response.write(part);
        });
        answer.on('end', () => {
          if (!frozenWatches.has(response)) response.end();
        });
        answer.on('error', () => response.destroy());
      },
    );
    forwarded.add(onward);
    onward.on('close', () => forwarded.delete(onward));
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: 'proxy', server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
    { name: 'nobody' },
  );

  return {
    config,
    requests,
    inject: (matches, fault, times = 1) => injections.push({ matches, fault, left: times }),
    dropWatches() {
      for (const response of watches) response.destroy();
    },
    freeze() {
      frozen = true;
      for (const response of watches) frozenWatches.add(response);
    },
    thaw() {
      frozen = false;
    },
    async close() {
      for (const onward of forwarded) onward.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export function isWatch(request: IncomingMessage): boolean {
  return /[?&]watch=true/.test(request.url ?? '');
}

export function isList(request: IncomingMessage): boolean {
  return request.method === 'GET' && !isWatch(request) && /\/nets(\?|$)/.test(request.url ?? '');
}

/** Answers in place of the API server. */
export function answerWith(status: number, body: object, headers: Record<string, string> = {}): Fault {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
    return true;
  };
}

/** A Status object, as the API server sends it. */
export function statusObject(code: number, reason: string): object {
  return { apiVersion: 'v1', kind: 'Status', status: 'Failure', code, reason, message: `injected: ${reason}` };
}
