// Makes sure that the address a socket connects to is an address that the policy allows (against SSRF).
// The check is in the resolver that the socket itself uses, and once more on the connected socket, so that a name
// that resolves differently the second time (DNS rebinding) gains nothing.
import { lookup as resolveByDns } from 'node:dns/promises';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import { buildConnector } from 'undici';
import type { AddressPolicy } from './address-policy.ts';
import type { TlsOptions } from './tls-trust.ts';

/** All addresses of a name; rejects with the resolver's error. */
export type Resolve = (hostname: string) => Promise<{ address: string; family: number }[]>;

/** A connection that the policy does not allow. */
export class AddressForbiddenError extends Error {
  readonly code = 'TRAWLER_ADDRESS_FORBIDDEN';

  constructor(hostname: string, port: number, address: string) {
    const resolved = hostname === address ? '' : ` (${hostname})`;
    super(`connections to ${address}${resolved} on port ${port} are not allowed`);
    this.name = 'AddressForbiddenError';
  }
}

export type AddressGuard = {
  /** Throws when the host is an IP literal that is not allowed: sockets do not look literals up. */
  readonly checkLiteral: (hostname: string, port: number) => void;
  /**
   * Before a proxy connects, which resolves names by itself: rejects when the literal, or any address that the name has
   * here, is not allowed. A name that has none here passes, unless it is one of a private network by its form.
   */
  readonly checkBeforeProxy: (hostname: string, port: number) => Promise<void>;
  /** For `net.connect` and the like: fails unless every address of the name is allowed on the port. */
  readonly lookup: (port: number) => LookupFunction;
  /** Throws when the socket is connected to an address that is not allowed. */
  readonly checkConnected: (hostname: string, port: number, socket: Socket) => void;
};

/** Names that only private networks have: RFC 6761, 6762, 8375, ICANN's `internal`, Kubernetes, and single labels. */
const PRIVATE_NAME = /^[^.]+\.?$|(^|\.)(localhost|local|internal|intranet|lan|home|corp|home\.arpa|svc|cluster)\.?$/i;

const resolveAll: Resolve = (hostname) => resolveByDns(hostname, { all: true, verbatim: true });

export function createAddressGuard(policy: AddressPolicy, resolve: Resolve = resolveAll): AddressGuard {
  function check(hostname: string, port: number, address: string): void {
    if (!policy.allows(hostname, port, address)) throw new AddressForbiddenError(hostname, port, address);
  }

  async function allowedAddresses(hostname: string, port: number) {
    const addresses = await resolve(hostname);
    // One forbidden address among good ones is how rebinding starts: then none of them is used.
    for (const { address } of addresses) check(hostname, port, address);
    return addresses;
  }

  return {
    checkLiteral(hostname, port) {
      const host = withoutBrackets(hostname);
      if (isIP(host) !== 0) check(host, port, host);
    },
    async checkBeforeProxy(hostname, port) {
      const host = withoutBrackets(hostname);
      if (isIP(host) !== 0) return check(host, port, host);
      try {
        await allowedAddresses(host, port);
      } catch (error) {
        if (error instanceof AddressForbiddenError) throw error;
        if (PRIVATE_NAME.test(host)) throw new AddressForbiddenError(host, port, 'a private name');
      }
    },
    lookup: (port) => (hostname, options, callback) => {
      allowedAddresses(hostname, port).then(
        (addresses) => answer(addresses, options, callback),
        (error: NodeJS.ErrnoException) => callback(error, '', 0),
      );
    },
    checkConnected(hostname, port, socket) {
      check(withoutBrackets(hostname), port, socket.remoteAddress ?? 'an unknown address');
    },
  };
}

function answer(
  addresses: { address: string; family: number }[],
  options: Parameters<LookupFunction>[1],
  callback: Parameters<LookupFunction>[2],
): void {
  const [first] = addresses;
  if (options.all === true) callback(null, addresses);
  else if (first === undefined) callback(Object.assign(new Error('no address'), { code: 'ENOTFOUND' }), '', 0);
  else callback(null, first.address, first.family);
}

/** The port that a URL is about, written or not. */
export function portOf({ port, protocol }: { readonly port: string; readonly protocol?: string | null }): number {
  if (port !== '') return Number(port);
  return protocol === 'https:' ? 443 : 80;
}

function withoutBrackets(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

/** An undici connector that opens no socket to an address which the guard refuses. */
export function guardedConnector(
  guard: AddressGuard,
  connectTimeoutMs: number,
  tls: TlsOptions = {},
): buildConnector.connector {
  // By port, since exceptions of the policy are: undici tells the resolver the name alone.
  const connectors = new Map<number, buildConnector.connector>();

  function connectorOf(port: number): buildConnector.connector {
    let connector = connectors.get(port);
    if (connector === undefined) {
      connector = buildConnector({
        ...tls,
        lookup: guard.lookup(port),
        timeout: connectTimeoutMs,
        allowH2: true,
        preferH2: true,
      });
      connectors.set(port, connector);
    }
    return connector;
  }

  return (options, callback) => {
    const port = portOf(options);
    try {
      guard.checkLiteral(options.hostname, port);
    } catch (error) {
      callback(error as AddressForbiddenError, null);
      return;
    }
    connectorOf(port)(options, (error, socket) => {
      if (error !== null) {
        callback(error, null);
        return;
      }
      try {
        guard.checkConnected(options.hostname, port, socket);
        callback(null, socket);
      } catch (refusal) {
        socket.destroy();
        callback(refusal as AddressForbiddenError, null);
      }
    });
  };
}
