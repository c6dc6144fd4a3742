// Which network addresses a crawl may connect to: public ones, and the exceptions that the operator's config lists.
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Network = readonly [Address, number];

/** One exception: a host name or a network, on one port. */
type AllowedEntry =
  | { readonly host: string; readonly port: number }
  | { readonly network: Network; readonly port: number };

export type AddressPolicy = {
  /**
   * Whether a connection to `address` (an IP literal) may be made on behalf of a URL that names `hostname`.
   * What cannot be understood may not be connected to.
   */
  readonly allows: (hostname: string, port: number, address: string) => boolean;
};

/** Public by every list, and still the host of a cloud's machine (Azure's WireServer). */
const PROVIDER_ADDRESSES = ['168.63.129.16'];

/** The one block that IPv6 addresses of the internet are given from. */
const GLOBAL_UNICAST: Network = ipaddr.parseCIDR('2000::/3');
/** NAT64 (RFC 6052): the last 32 bits are the IPv4 address that is really connected to. */
const NAT64: Network = ipaddr.parseCIDR('64:ff9b::/96');

/** @param allowed see {@link parseAllowedAddresses} */
export function createAddressPolicy(allowed: readonly AllowedEntry[]): AddressPolicy {
  return {
    allows(hostname, port, address) {
      const parsed = parseAddress(address);
      if (parsed === undefined) return false;
      return isPublic(parsed) || allowed.some((entry) => entry.port === port && covers(entry, hostname, parsed));
    },
  };
}

/**
 * Reads `host:port`, `address:port`, `network/bits:port` and `[IPv6]:port`, separated by commas.
 * Throws a RangeError that quotes the entry which is none of them.
 */
export function parseAllowedAddresses(text: string): AllowedEntry[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map(parseEntry);
}

function parseEntry(entry: string): AllowedEntry {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(entry);
  const target = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (target === undefined || port < 1 || port > 65_535) throw notAnEntry(entry);
  if (ipaddr.isValidCIDR(target)) return { network: ipaddr.parseCIDR(target), port };
  const address = parseAddress(target);
  if (address !== undefined) return { network: [address, address.kind() === 'ipv4' ? 32 : 128], port };
  if (!/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i.test(target)) throw notAnEntry(entry);
  return { host: target.toLowerCase(), port };
}

function notAnEntry(entry: string): RangeError {
  return new RangeError(`"${entry}" is not host:port, address:port, network/bits:port or [IPv6]:port`);
}

function covers(entry: AllowedEntry, hostname: string, address: Address): boolean {
  if ('host' in entry) return entry.host === hostname.toLowerCase();
  return contains(entry.network, unmapped(address));
}

function contains([network, bits]: Network, address: Address): boolean {
  return network.kind() === address.kind() && address.match(network, bits);
}

function isPublic(address: Address): boolean {
  const plain = unmapped(address);
  if (plain.kind() === 'ipv4') return plain.range() === 'unicast' && !PROVIDER_ADDRESSES.includes(plain.toString());
  if (contains(NAT64, plain)) return isPublic(lastFourBytes(plain));
  // 6to4, Teredo, documentation and the like lie within the block, and are named by their range.
  return contains(GLOBAL_UNICAST, plain) && plain.range() === 'unicast';
}

/** An IPv4 address written as IPv6 (`::ffff:10.0.0.1`) is connected to by IPv4. */
function unmapped(address: Address): Address {
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

function lastFourBytes(address: Address): Address {
  return ipaddr.fromByteArray(address.toByteArray().slice(-4));
}

/** Only the usual spellings: `0177.0.0.1` and the like never come out of the URL parser or a resolver. */
function parseAddress(text: string): Address | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  // The deprecated `::8.8.8.8`, which the library reads as the mapped `::ffff:8.8.8.8`, is no address of the internet.
  if (/^(0{0,4}:)+\d+\.\d+\.\d+\.\d+$/.test(text)) return undefined;
  return ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text) : undefined;
}
