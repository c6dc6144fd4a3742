// One pool of connections to the API server for the whole process, with the credentials of a KubeConfig.
//
// client-node makes a new undici Agent for each request, so each request pays for a TLS handshake. Here the agent lives
// as long as the TLS material stays the same; tokens and files are read again every few seconds, as they are rotated.
import { createHash } from 'node:crypto';
import type { RequestOptions as HttpsOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { Agent, type buildConnector, type Dispatcher, type Pool, ProxyAgent } from 'undici';

export interface Connection {
  /** `https://host:port`. */
  readonly origin: string;
  /** What stands before `/api` in every path; usually empty. */
  readonly pathPrefix: string;
  /** The pool, and the headers that say who we are. */
  authorise(): Promise<Authorised>;
  /** The API server did not accept the credentials: read them again before the next request. */
  forgetCredentials(): void;
  /** Waits for the requests in flight. */
  close(): Promise<void>;
}

export interface Authorised {
  dispatcher: Dispatcher;
  headers: Record<string, string>;
}

/** Rotated tokens and certificates are picked up within this time. */
const CREDENTIALS_AGE_MS = 10_000;

/**
 * HTTP/1.1 on purpose: a watch or a request that hangs never holds up the others, as it can on the one connection of
 * HTTP/2, which was measured to be no faster (docs/benchmarks.md). Neither were fewer or more connections.
 */
const POOL: Pool.Options = {
  connections: 32,
  allowH2: false,
  connectTimeout: 5_000,
  // The API server closes idle connections after 90 s; ours go first, so that none is closed under a request.
  keepAliveTimeout: 60_000,
};

export function connect(config: KubeConfig): Connection {
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error('the kubeconfig has no current cluster');
  const server = new URL(cluster.server);
  let pool: { dispatcher: Dispatcher; material: string } | undefined;
  let known: { authorised: Promise<Authorised>; readAt: number } | undefined;

  async function readCredentials(): Promise<Authorised> {
    const options: HttpsOptions = {};
    await config.applyToHTTPSOptions(options);
    const material = fingerprint(options);
    if (pool?.material !== material) {
      // Requests in flight, watches too, end on the old connections.
      void pool?.dispatcher.close();
      pool = { material, dispatcher: createDispatcher(config, options) };
    }
    return { dispatcher: pool.dispatcher, headers: identityHeaders(options) };
  }

  function authorise(): Promise<Authorised> {
    const now = performance.now();
    if (known === undefined || now - known.readAt > CREDENTIALS_AGE_MS) {
      const authorised = readCredentials();
      known = { authorised, readAt: now };
      authorised.catch(forgetCredentials);
    }
    return known.authorised;
  }

  function forgetCredentials(): void {
    known = undefined;
  }

  return {
    origin: server.origin,
    pathPrefix: server.pathname.replace(/\/$/, ''),
    authorise,
    forgetCredentials,
    close: async () => pool?.dispatcher.close(),
  };
}

function createDispatcher(config: KubeConfig, { ca, cert, key, rejectUnauthorized, servername }: HttpsOptions) {
  const material = { ca, cert, key, rejectUnauthorized, servername };
  const given = Object.fromEntries(Object.entries(material).filter(([, value]) => value !== undefined));
  const options = config.createDispatcherOptions(config.getCurrentCluster(), given);
  switch (options.type) {
    case 'agent':
      return new Agent({ ...POOL, connect: options.connect as buildConnector.BuildOptions });
    case 'none':
      return new Agent(POOL);
    case 'proxy':
      return new ProxyAgent({
        ...POOL,
        uri: options.uri,
        requestTls: options.requestTls as buildConnector.BuildOptions,
      });
    case 'socks':
      throw new Error('a SOCKS proxy to the API server is not supported; use an HTTP proxy');
  }
}

/** Tells TLS material apart without keeping a second copy of a private key. */
function fingerprint({ ca, cert, key }: HttpsOptions): string {
  const hash = createHash('sha256');
  for (const part of [ca, cert, key]) hash.update(`${String(part)}\0`);
  return hash.digest('base64');
}

function identityHeaders({ headers, auth }: HttpsOptions): Record<string, string> {
  const identity: Record<string, string> = {};
  if (auth) identity['authorization'] = `Basic ${Buffer.from(auth).toString('base64')}`;
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (value !== undefined) identity[name.toLowerCase()] = String(value);
  }
  return identity;
}
