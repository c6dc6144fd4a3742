// One client and one renderer made of two: a request takes the route of its host.
import type { HttpClient } from '../http/http-client.ts';
import type { Routes } from '../network/routes.ts';
import type { Renderer } from '../rendering/renderer.ts';
import { hostKey } from '../urls/url.ts';

type ByRoute<T> = { readonly direct: T; readonly proxied: T };

export function routedClient(routes: Routes, { direct, proxied }: ByRoute<HttpClient>): HttpClient {
  return {
    get: (request, signal) => (routes.isProxied(hostKey(request.url)) ? proxied : direct).get(request, signal),
    close: async () => void (await Promise.all([direct.close(), proxied.close()])),
  };
}

/** Both renderers are of the same kind, so optional members of one are there in the other. */
export function routedRenderer(routes: Routes, { direct, proxied }: ByRoute<Renderer>): Renderer {
  return {
    ...direct,
    render: (url, ...rest) => (routes.isProxied(hostKey(url)) ? proxied : direct).render(url, ...rest),
    leave(visit) {
      for (const renderer of [direct, proxied]) renderer.leave?.(visit);
    },
    recycle(how) {
      for (const renderer of [direct, proxied]) renderer.recycle?.(how);
    },
    close: async () => void (await Promise.all([direct.close(), proxied.close()])),
  };
}
