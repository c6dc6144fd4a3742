// One client and one renderer out of two: each host is asked by the route that it has.
import type { HttpClient } from '../http/http-client.ts';
import type { Routes } from '../network/routes.ts';
import type { Renderer } from '../rendering/renderer.ts';
import { hostKey } from '../urls/url.ts';

type Ways<Way> = { readonly direct: Way; readonly proxied: Way };

export function routedClient(routes: Routes, { direct, proxied }: Ways<HttpClient>): HttpClient {
  return {
    get: (request, signal) => (routes.isProxied(hostKey(request.url)) ? proxied : direct).get(request, signal),
    close: async () => void (await Promise.all([direct.close(), proxied.close()])),
  };
}

/** Both ways are of the same kind, and so is what they have in common. */
export function routedRenderer(routes: Routes, { direct, proxied }: Ways<Renderer>): Renderer {
  return {
    ...direct,
    render: (url, ...rest) => (routes.isProxied(hostKey(url)) ? proxied : direct).render(url, ...rest),
    recycle(how) {
      for (const way of [direct, proxied]) way.recycle?.(how);
    },
    close: async () => void (await Promise.all([direct.close(), proxied.close()])),
  };
}
