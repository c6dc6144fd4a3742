// How a worker reaches the sites of its run: straight, by the proxy of the spec, or either way, host by host.
import { existsSync, readFileSync } from 'node:fs';
import type { WorkerStore } from '../../gateway/protocol/worker-store.ts';
import { MAX_CONCURRENCY } from '../../resources/concurrency.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { findChromium } from '../browser/chromium.ts';
import { sandboxTrouble } from '../browser/sandbox-check.ts';
import { createHttpClient, type HttpClient } from '../http/http-client.ts';
import { type AddressGuard, createAddressGuard } from '../network/address-guard.ts';
import { createAddressPolicy } from '../network/address-policy.ts';
import type { HostPacer } from '../network/host-pacer.ts';
import { type Headers, type HeadersFor, headersForHosts, readSecretHeaders } from '../network/request-headers.ts';
import { fixedRoutes, learntRoutes, type Routes } from '../network/routes.ts';
import { parseCertificates, type TlsTrust } from '../network/tls-trust.ts';
import { parseProxyUrl, type UpstreamProxy } from '../network/upstream-proxy.ts';
import type { Renderer } from '../rendering/renderer.ts';
import { createRenderer } from './render-modes.ts';
import { routedClient, routedRenderer } from './routed.ts';
import { type WorkerConfig, WorkerConfigError } from './worker-config.ts';

export type Network = {
  /** For robots.txt and the like, and for pages in render mode HTTP. */
  readonly client: HttpClient;
  readonly renderer: Renderer;
  readonly routes: Routes;
  readonly close: () => Promise<void>;
};

type Ways = { readonly headersFor: HeadersFor; readonly trust: TlsTrust };

type Surroundings = {
  readonly config: WorkerConfig;
  readonly spec: CrawlRunSpec;
  readonly store: Pick<WorkerStore, 'readHostRendering' | 'learnHostRendering'>;
  readonly pacer: HostPacer;
  readonly log: Logger;
};

/** Throws a WorkerConfigError when the proxy or the browser that the spec needs is not there or not allowed. */
export async function createNetwork(options: Surroundings): Promise<Network> {
  const { config, spec, log } = options;
  const guard = createAddressGuard(createAddressPolicy(config.allowedAddresses));
  if (spec.browser.sandbox && spec.fetch.render !== 'HTTP') await checkSandbox(config);
  const headersFor = headersForHosts(spec, secretHeadersOf(config, spec));
  const ways: Ways = { headersFor, trust: trustOf(config, spec) };
  const proxy = readProxy(config, spec);
  if (proxy === undefined || spec.proxy?.mode !== 'Auto') {
    return closing({
      ...(await openWay({ ...options, ...ways }, guard, proxy)),
      routes: fixedRoutes(proxy !== undefined),
    });
  }
  const routes = learntRoutes(log);
  const direct = await openWay({ ...options, ...ways }, guard, undefined);
  const proxied = await openWay({ ...options, ...ways }, guard, proxy);
  const client = routedClient(routes, { direct: direct.client, proxied: proxied.client });
  const renderer = routedRenderer(routes, { direct: direct.renderer, proxied: proxied.renderer });
  return closing({ client, renderer, routes });
}

function closing(network: Omit<Network, 'close'>): Network {
  return {
    ...network,
    async close() {
      await network.renderer.close();
      await network.client.close();
    },
  };
}

async function openWay(
  { config, spec, store, pacer, log, headersFor, trust }: Surroundings & Ways,
  guard: AddressGuard,
  proxy: UpstreamProxy | undefined,
): Promise<Pick<Network, 'client' | 'renderer'>> {
  const { userAgent } = spec.fetch;
  const client = createHttpClient({
    guard,
    userAgent,
    // Pages bound them, of which the spec may allow more while the worker crawls.
    connections: MAX_CONCURRENCY,
    headersFor,
    lastLook: pacer,
    trust,
    ...(proxy ? { proxy } : {}),
  });
  const chromium = () => chromiumOf(config);
  const upstream = proxy === undefined ? {} : { upstream: proxy };
  return {
    client,
    renderer: await createRenderer({
      spec,
      client,
      guard,
      headersFor,
      trust,
      ...upstream,
      store,
      pacer,
      chromium,
      log,
    }),
  };
}

function secretHeadersOf({ headersDirectory }: WorkerConfig, { fetch }: CrawlRunSpec): Headers {
  return fetch.headersSecretRef === undefined ? {} : readSecretHeaders(headersDirectory);
}

/** Throws a WorkerConfigError when the certificates of the spec are not there, or are none. */
function trustOf({ caFile }: WorkerConfig, { fetch }: CrawlRunSpec): TlsTrust {
  const { caSecretRef, insecureSkipTlsVerify } = fetch;
  if (caSecretRef === undefined) return { certificates: [], verify: !insecureSkipTlsVerify };
  const { name, key } = caSecretRef;
  if (!existsSync(caFile)) {
    throw new WorkerConfigError(`spec.fetch.caSecretRef: there is no Secret "${name}" with the key "${key}"`);
  }
  try {
    return { certificates: parseCertificates(readFileSync(caFile, 'utf8')), verify: !insecureSkipTlsVerify };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new WorkerConfigError(`spec.fetch.caSecretRef: the key "${key}" of the Secret "${name}": ${why}`);
  }
}

function chromiumOf({ chromium = findChromium() }: WorkerConfig): string {
  if (chromium !== undefined) return chromium;
  throw new WorkerConfigError('no Chromium was found: set TRAWLER_CHROMIUM to its path');
}

async function checkSandbox(config: WorkerConfig): Promise<void> {
  const trouble = await sandboxTrouble(chromiumOf(config));
  if (trouble === undefined) return;
  const fix =
    "user namespaces and the crawler image's seccomp profile are needed there, or spec.browser.sandbox: false";
  throw new WorkerConfigError(`spec.browser.sandbox: ${trouble} (node ${config.nodeName ?? 'unknown'}): ${fix}`);
}

function readProxy({ proxyFile, allowedProxies }: WorkerConfig, { proxy }: CrawlRunSpec): UpstreamProxy | undefined {
  if (proxy === undefined || proxy.mode === 'Off') return undefined;
  const { name, key } = proxy.urlSecretRef;
  if (!existsSync(proxyFile)) {
    throw new WorkerConfigError(`spec.proxy.urlSecretRef: there is no Secret "${name}" with the key "${key}"`);
  }
  try {
    return parseProxyUrl(readFileSync(proxyFile, 'utf8'), allowedProxies);
  } catch (error) {
    throw new WorkerConfigError(`spec.proxy: ${error instanceof Error ? error.message : String(error)}`);
  }
}
