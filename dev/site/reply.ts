// What a page answers: data only, so that the server alone deals with sockets, delays and the access log.

export interface PageRequest {
  method: string;
  /** Decoded path, always starting with `/`. */
  path: string;
  query: URLSearchParams;
  /** `http://` and the Host header: what the site calls itself in absolute URLs. */
  origin: string;
}

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string | Uint8Array;
  /** Milliseconds before the first byte. */
  delay?: number;
  /** Milliseconds between the two halves of the body. */
  pause?: number;
  /** Keeps the connection open and never answers. */
  silent?: boolean;
}

/** Answers a request; undefined where it knows no such page. */
export type Pages = (request: PageRequest) => Reply | undefined | Promise<Reply | undefined>;

export function reply(status: number, type: string, body: string | Uint8Array, headers: Record<string, string> = {}) {
  return { status, headers: { 'content-type': type, ...headers }, body } satisfies Reply;
}

export function redirect(status: 301 | 302 | 307 | 308, location: string): Reply {
  return reply(status, 'text/plain; charset=utf-8', `See ${location}\n`, { location });
}
