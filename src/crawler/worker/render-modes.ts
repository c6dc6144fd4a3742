// From the spec's render mode to a renderer: the one place where HTTP and the browser are put together.

import type { WorkerStore } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { createBrowserRenderer } from '../browser/browser-renderer.ts';
import { createExtraction } from '../extraction/extraction.ts';
import type { HttpClient } from '../http/http-client.ts';
import { createHttpRenderer } from '../http/http-renderer.ts';
import type { AddressGuard } from '../network/address-guard.ts';
import type { HostPacer } from '../network/host-pacer.ts';
import type { HeadersFor } from '../network/request-headers.ts';
import type { TlsTrust } from '../network/tls-trust.ts';
import type { UpstreamProxy } from '../network/upstream-proxy.ts';
import { createAutoRenderer } from '../rendering/auto-renderer.ts';
import { createHostRenderings } from '../rendering/host-renderings.ts';
import type { Renderer } from '../rendering/renderer.ts';

/** The browser, where there is one, is started with the first page that it is wanted for. */
export async function createRenderer(options: {
  readonly spec: CrawlRunSpec;
  readonly client: HttpClient;
  readonly guard: AddressGuard;
  /** By which the browser goes, if there is one; the client has it already. */
  readonly upstream?: UpstreamProxy;
  readonly headersFor: HeadersFor;
  readonly trust: TlsTrust;
  readonly store: Pick<WorkerStore, 'readHostRendering' | 'learnHostRendering'>;
  readonly pacer: HostPacer;
  /** Path of the browser. Throws when there is none; not called when none is needed. */
  readonly chromium: () => string;
  readonly log: Logger;
}): Promise<Renderer> {
  const { spec, client, guard, headersFor, trust, store, pacer, log } = options;
  const { render, userAgent, blockResources: blocked } = spec.fetch;
  if (render === 'HTTP') return createHttpRenderer(client);
  const { recycleAfterPages, sandbox } = spec.browser;
  const executablePath = options.chromium();
  const browser = await createBrowserRenderer({
    executablePath,
    guard,
    ...(options.upstream === undefined ? {} : { upstream: options.upstream }),
    userAgent,
    blocked,
    recycleAfterPages,
    sandbox,
    headersFor,
    trust,
    log,
  });
  if (render === 'Browser') return browser;
  return createAutoRenderer({
    http: createHttpRenderer(client, { seeksSigns: true }),
    browser,
    hosts: createHostRenderings(store, log),
    extraction: createExtraction(spec.extract),
    takePlace: pacer.takePlace,
  });
}
