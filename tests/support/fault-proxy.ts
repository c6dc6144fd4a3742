// A proxy in front of the real API server that spoils chosen requests, so that real answers meet real faults.
import { once } from 'node:events';
import { type ClientRequest, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { KubeConfig } from '@kubernetes/client-node';

/** What the API server answered. */
export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

/**
 * Sees a request before the API server does. Returns true when it has answered (or never will); otherwise the request
 * goes on, with the url that the fault may have changed, at once or when the promise resolves. `exchange` lets the API
 * server execute the request and resolves with its whole answer, for faults that spoil what comes back.
 */
export type Fault = (
  request: IncomingMessage,
  response: ServerResponse,
  exchange: () => Promise<Answer>,
) => boolean | Promise<boolean>;

/** One line of a watch. */
export interface StreamedEvent {
  type: string;
  object: { kind: string; metadata: { name: string; uid: string; resourceVersion: string } };
}

export interface FaultProxyOptions {
  /** Lists and watches of all namespaces see this one alone, as if the cluster had no other. */
  namespace?: string;
  /** Requests share connections to the API server, as those of a client do; else each has one of its own. */
  keepAlive?: boolean;
}

export interface FaultProxy {
  /** Leads to the proxy; the proxy has the rights of the kubeconfig it was made from. */
  config: KubeConfig;
  /** Method and url of every request so far. */
  requests: string[];
  /** Method and url of every write that the API server has executed, in order, leases and events left out. */
  writes: string[];
  /** Applies to the next `times` requests that match. */
  inject(matches: (request: IncomingMessage) => boolean, fault: Fault, times?: number): void;
  /** Called when a write has been executed and counted, before its answer is passed on. */
  onWrite(handler: (count: number) => void | Promise<void>): void;
  /** From now on only these events of watches are passed on; undefined: all. */
  filterEvents(keep: ((event: StreamedEvent) => boolean) | undefined): void;
  /** Holds what watches say until the returned function is called, then passes it on. */
  holdWatches(): () => void;
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

export async function startFaultProxy(upstream: KubeConfig, options: FaultProxyOptions = {}): Promise<FaultProxy> {
  const requests: string[] = [];
  const writes: string[] = [];
  const injections: Injection[] = [];
  const watches = new Set<ServerResponse>();
  const frozenWatches = new Set<ServerResponse>();
  const forwarded = new Set<ClientRequest>();
  const credentials: RequestOptions = {};
  await upstream.applyToHTTPSOptions(credentials);
  const agent = options.keepAlive ? new Agent({ keepAlive: true }) : false;
  const target = new URL(upstream.getCurrentCluster()?.server ?? '');
  let frozen = false;
  let keepEvent: ((event: StreamedEvent) => boolean) | undefined;
  let held: (() => void)[] | undefined;
  let writeHandler: (count: number) => void | Promise<void> = () => {};

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (options.namespace !== undefined) request.url = withinNamespace(request.url ?? '', options.namespace);
    requests.push(`${request.method} ${request.url}`);
    if (frozen) return;
    const injection = injections.find(({ left, matches }) => left > 0 && matches(request));
    if (injection) {
      injection.left -= 1;
      if (await injection.fault(request, response, () => exchange(request))) return;
    }
    forward(request, response);
  }
  const server = createServer((request, response) => {
    // A client that is gone, or a fault that failed: the connection ends, as the client would see it end.
    handle(request, response).catch(() => response.destroy());
  });

  /** Sends the request on; `end` is called when the answer can no longer come. */
  function send(request: IncomingMessage, answered: (answer: IncomingMessage) => void, end: () => void): ClientRequest {
    const { host: _, connection: __, ...headers } = request.headers;
    const { url: path, method } = request;
    const { hostname: host, port } = target;
    const onward = httpsRequest({ ...credentials, agent, host, port, path, method, headers }, answered);
    forwarded.add(onward);
    onward.on('close', () => forwarded.delete(onward));
    onward.on('error', end);
    request.pipe(onward);
    return onward;
  }

  function exchange(request: IncomingMessage): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const answered = async (answer: IncomingMessage) => {
        const body = await buffer(answer);
        await noteWrite(request, answer);
        return { status: answer.statusCode ?? 502, headers: answer.headers, body };
      };
      const end = () => reject(new Error('the API server did not answer'));
      send(request, (answer) => answered(answer).then(resolve, reject), end);
    });
  }

  async function noteWrite({ method, url = '' }: IncomingMessage, answer: IncomingMessage): Promise<void> {
    if (method === 'GET' || (answer.statusCode ?? 502) >= 300 || /\/(leases|events)[/?]?/.test(url)) return;
    writes.push(`${method} ${url}`);
    await writeHandler(writes.length);
  }

  function forward(request: IncomingMessage, response: ServerResponse): void {
    const pass = isWatch(request) ? passWatch : passAnswer;
    if (isWatch(request)) {
      watches.add(response);
      response.on('close', () => watches.delete(response));
    }
    const onward = send(
      request,
      (answer) => {
        pass(request, response, answer).catch(() => response.destroy());
      },
      () => response.destroy(),
    );
    response.on('close', () => onward.destroy());
  }

  async function passAnswer(request: IncomingMessage, response: ServerResponse, answer: IncomingMessage) {
    await noteWrite(request, answer);
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.on('error', () => response.destroy());
    answer.pipe(response);
  }

  async function passWatch(_request: IncomingMessage, response: ServerResponse, answer: IncomingMessage) {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    const passOn = (action: () => void) => {
      const unlessFrozen = () => {
        if (!frozenWatches.has(response)) action();
      };
      if (held) held.push(unlessFrozen);
      else unlessFrozen();
    };
    let unfinished = '';
    for await (const part of answer.setEncoding('utf8')) {
      const lines = `${unfinished}${part}`.split('\n');
      unfinished = lines.pop() ?? '';
      for (const line of lines) {
        if (keepEvent === undefined || keepEvent(JSON.parse(line))) passOn(() => response.write(`${line}\n`));
      }
    }
    passOn(() => response.end(unfinished));
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
    writes,
    inject: (matches, fault, times = 1) => injections.push({ matches, fault, left: times }),
    onWrite(handler) {
      writeHandler = handler;
    },
    filterEvents(keep) {
      keepEvent = keep;
    },
    holdWatches() {
      const holding: (() => void)[] = [];
      held = holding;
      return () => {
        held = undefined;
        for (const action of holding) action();
      };
    },
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
      if (agent) agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The url with a collection of all namespaces narrowed to one. */
function withinNamespace(url: string, namespace: string): string {
  const collection = /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)\/([a-z]+)(?=\?|$)/;
  return url.replace(collection, (whole, base: string, plural: string) =>
    plural === 'namespaces' || plural === 'nodes' ? whole : `${base}/namespaces/${namespace}/${plural}`,
  );
}

export function isWatch(request: IncomingMessage): boolean {
  return /[?&]watch=true/.test(request.url ?? '');
}

export function isList(request: IncomingMessage): boolean {
  return request.method === 'GET' && !isWatch(request) && /\/nets(\?|$)/.test(request.url ?? '');
}

/** Answers in place of the API server, which executes nothing. */
export function answerWith(status: number, body: object, headers: Record<string, string> = {}): Fault {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
    return true;
  };
}

/** The request is executed, but nobody hears of it. */
export const dropAnswer: Fault = async (_request, response, exchange) => {
  await exchange();
  response.destroy();
  return true;
};

/** The request is executed, and half of its answer comes back, as if that were all. */
export const truncateAnswer: Fault = async (_request, response, exchange) => {
  const { status, headers, body } = await exchange();
  response.writeHead(status, { 'content-type': String(headers['content-type']) });
  response.end(body.subarray(0, body.length / 2));
  return true;
};

/** A Status object, as the API server sends it. */
export function statusObject(code: number, reason: string): object {
  return { apiVersion: 'v1', kind: 'Status', status: 'Failure', code, reason, message: `injected: ${reason}` };
}
