// The plugin's way to Trawler's server: its URL, or the API server's proxy of its Service, which a kubeconfig alone reaches.
// The proxy takes `Authorization` away, so the user's token goes in `Trawler-Token`.
import { Readable } from 'node:stream';
import { type Command, Option } from 'commander';
import createClient, { type Client } from 'openapi-fetch';
import { Agent, type Dispatcher } from 'undici';
import { connect } from '../../kube/connection.ts';
import { actingAs } from '../../kube/kube-config.ts';
import type { paths } from '../../server/api-types.ts';
import type { Problem } from '../../server/http/problem.ts';
import { type Global, globalOptions, readKubeConfig, UsageError } from './session.ts';

/** What the server, or something on the way to it, has refused; for the person at the terminal. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  /** HTTP status; 0 without an answer. */
  readonly status: number;
  /** False where the request did not come as far as Trawler's server. */
  readonly isOfServer: boolean;

  constructor(
    message: string,
    { status, isOfServer, cause }: { status: number; isOfServer: boolean; cause?: unknown },
  ) {
    super(message, { cause });
    this.status = status;
    this.isOfServer = isOfServer;
  }
}

/** Every call rejects with a ServerError, or with its signal's reason. */
export type TrawlerServer = Client<paths> & {
  /** The `fetch` of a call whose answer goes on, and may be silent for long. */
  readonly fetchWhatLasts: Fetch;
  close(): Promise<void>;
};

/** What a list may be asked for. */
export type QueryOf<Path extends keyof paths> = paths[Path] extends {
  readonly get: { readonly parameters: { readonly query?: infer Query } };
}
  ? NonNullable<Query>
  : never;

type Fetch = (request: Request) => Promise<Response>;

export type ServerOptions = Global & {
  /** `http://…`, or the name of the Service. */
  readonly server: string;
  readonly token?: string;
  readonly systemNamespace: string;
};

const ANSWER_WITHIN_MS = 60_000;

/** The options with which a command reaches the server. */
export function serverOptions(): Option[] {
  return [
    new Option('--server <service>', "Trawler's server: its URL, or the name of its Service")
      .env('TRAWLER_SERVER')
      .default('trawler-server'),
    new Option('--token <token>', 'token of Kubernetes for the server; that of the kubeconfig when left out').env(
      'TRAWLER_TOKEN',
    ),
    systemNamespaceOption(),
  ];
}

export function systemNamespaceOption(): Option {
  return new Option('--system-namespace <name>', 'namespace of the operator').default('trawler-system');
}

/** A command that asks the server. */
export function withServerOptions(command: Command): Command {
  for (const option of serverOptions()) command.addOption(option);
  return command;
}

export async function withServer<T>(command: Command, work: (server: TrawlerServer) => Promise<T>): Promise<T> {
  const options = { ...globalOptions(command), ...command.opts<ServerOptions>() };
  const server = await connectToServer(options);
  try {
    return await work(server);
  } finally {
    await server.close();
  }
}

/** Throws a UsageError where there is no token to show. */
export async function connectToServer(options: ServerOptions): Promise<TrawlerServer> {
  const route = /^https?:\/\//.test(options.server) ? await direct(options) : await throughKubernetes(options);
  return clientOn(route);
}

type Route = {
  readonly origin: string;
  readonly prefix: string;
  /** Read for each request: tokens are rotated. */
  authorise(): Promise<{ readonly dispatcher: Dispatcher; readonly headers: Record<string, string> }>;
  /** What an answer means that is not of Trawler's server. */
  explain(status: number, message: string): string;
  close(): Promise<void>;
};

async function direct(options: ServerOptions): Promise<Route> {
  const { origin, pathname } = new URL(options.server);
  const token = options.token ?? (await tokenOfKubeConfig(options));
  const dispatcher = new Agent();
  return {
    ...{ origin, prefix: pathname.replace(/\/$/, '') },
    authorise: async () => ({ dispatcher, headers: { authorization: `Bearer ${token}` } }),
    explain: (_, message) => `${origin} is no server of Trawler, or something before it has refused: ${message}`,
    close: () => dispatcher.close(),
  };
}

async function throughKubernetes(options: ServerOptions): Promise<Route> {
  const { server: service, systemNamespace: namespace, as } = options;
  const token = options.token ?? (await tokenOfKubeConfig(options));
  const config = clusterOf(options);
  const connection = connect(as === undefined ? config : actingAs(config, as));
  const proxy = `/api/v1/namespaces/${encodeURIComponent(namespace)}/services/${encodeURIComponent(service)}:http/proxy`;
  return {
    ...{ origin: connection.origin, prefix: connection.pathPrefix + proxy },
    async authorise() {
      const { dispatcher, headers } = await connection.authorise();
      return { dispatcher, headers: { ...headers, 'trawler-token': token } };
    },
    explain: (status, message) => explainProxy(status, message, { service, namespace }),
    close: () => connection.close(),
  };
}

/** Pure: what the API server's refusal to pass a request on means, and what to do about it. */
export function explainProxy(
  status: number,
  message: string,
  { service, namespace }: { readonly service: string; readonly namespace: string },
): string {
  const elsewhere = 'with --server you name another Service or a URL';
  switch (status) {
    case 401:
      return `the API server of Kubernetes does not accept your credentials: ${message}`;
    case 403:
      return `you may not reach Trawler's server through the API server of Kubernetes; ask for get and create on services/proxy "${service}:http" in namespace ${namespace} (server.callers of the chart), or give its URL with --server: ${message}`;
    case 404:
      return `Trawler's server is not there: ${message} in namespace ${namespace}. Switch it on with server.enabled=true of the chart (helm upgrade trawler … --reuse-values --set server.enabled=true); ${elsewhere}, with --system-namespace another namespace`;
    case 502:
    case 503:
    case 504:
      return `Trawler's server does not answer: ${message}. Look at its pods (kubectl -n ${namespace} get pods); where the API server of Kubernetes cannot reach pods, use kubectl -n ${namespace} port-forward service/${service} 8090:80 and --server http://localhost:8090`;
    default:
      return `the API server of Kubernetes does not pass the request on: ${message}`;
  }
}

/** A kubeconfig that names a cluster. */
function clusterOf(options: ServerOptions) {
  const config = readKubeConfig(options);
  if (config.getCurrentCluster() !== null) return config;
  throw new UsageError('the kubeconfig names no cluster: choose one with --kubeconfig or --context');
}

/** The server asks Kubernetes whose token it is; a client certificate cannot be passed on. */
async function tokenOfKubeConfig(options: ServerOptions): Promise<string> {
  if (options.as !== undefined) {
    throw new UsageError("--as does not reach Trawler's server: give a token of that user with --token");
  }
  const connection = connect(clusterOf(options));
  try {
    const { headers } = await connection.authorise();
    const [, token] = /^Bearer (.+)$/i.exec(headers['authorization'] ?? '') ?? [];
    if (token !== undefined) return token;
  } finally {
    await connection.close();
  }
  throw new UsageError(
    'your kubeconfig has no token that could be shown to Trawler\'s server, as it logs in otherwise; give one: --token "$(kubectl create token NAME)", where NAME is a service account with your rights',
  );
}

/** A client made for the OpenAPI document, on this way. */
function clientOn(route: Route): TrawlerServer {
  const client = createClient<paths>({
    baseUrl: route.origin + route.prefix,
    headers: { accept: 'application/json', 'user-agent': 'kubectl-trawler' },
    fetch: (request) => fetchOn(route, request, ANSWER_WITHIN_MS),
  });
  return {
    ...client,
    fetchWhatLasts: (request) => fetchOn(route, request, 0),
    close: () => route.close(),
  };
}

/** @param bodyTimeout in milliseconds between two parts of the answer; 0 for no end */
async function fetchOn(route: Route, request: Request, bodyTimeout: number): Promise<Response> {
  const { signal } = request;
  const { dispatcher, headers } = await route.authorise();
  const { pathname, search } = new URL(request.url);
  try {
    const {
      statusCode,
      headers: answered,
      body,
    } = await dispatcher.request({
      ...{ origin: route.origin, path: pathname + search, method: request.method as Dispatcher.HttpMethod, signal },
      headers: { ...Object.fromEntries(request.headers), ...headers },
      body: request.body === null ? null : await request.text(),
      ...{ headersTimeout: ANSWER_WITHIN_MS, bodyTimeout },
    });
    if (statusCode >= 300) throw refusal(statusCode, answered['content-type'], await body.text(), route);
    return new Response(Readable.toWeb(body) as ReadableStream, { status: statusCode });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof ServerError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new ServerError(`${route.origin} does not answer: ${why}`, { status: 0, isOfServer: false, cause: error });
  }
}

/** What a call has answered. */
export async function answerOf<T>(call: Promise<{ readonly data?: T }>): Promise<T> {
  const { data } = await call;
  if (data !== undefined) return data;
  throw new ServerError("the answer of Trawler's server is empty", { status: 200, isOfServer: true });
}

/** Trawler's server answers with problems, and with nothing else. */
function refusal(status: number, type: unknown, text: string, { explain }: Route): ServerError {
  const said = jsonOf(text);
  if (String(type).startsWith('application/problem+json') && said?.detail !== undefined) {
    return new ServerError(said.detail, { status, isOfServer: true });
  }
  const message = said?.message ?? `HTTP ${status} ${text.slice(0, 200)}`.trim();
  return new ServerError(explain(status, message), { status, isOfServer: false });
}

function jsonOf(text: string): Partial<Problem & { readonly message: string }> | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
