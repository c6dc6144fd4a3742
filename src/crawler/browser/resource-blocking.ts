// What pages are kept from loading because nobody looks at it. Switches of Chromium where there are some: they cost
// nothing and hold for every frame and worker. The rest by patterns of the DevTools protocol, which pause what matches
// and nothing else; see docs/decisions for what that costs.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';

export type BlockedResource = CrawlRunSpec['fetch']['blockResources'][number];

/** Of `Fetch.enable`. */
export type RequestPattern = {
  readonly urlPattern?: string;
  readonly resourceType?: 'Image' | 'Font' | 'Media' | 'Stylesheet' | 'XHR' | 'Fetch' | 'Script' | 'EventSource';
};

const SWITCHES: Partial<Record<BlockedResource, string>> = {
  Fonts: '--disable-remote-fonts',
};

/** Of the one switch `--blink-settings`. */
const BLINK_SETTINGS: Partial<Record<BlockedResource, string>> = {
  Images: 'imagesEnabled=false',
};

/** Images and fonts that a page preloads pass their switches by. */
const RESOURCE_TYPES: Partial<Record<BlockedResource, RequestPattern['resourceType']>> = {
  Images: 'Image',
  Fonts: 'Font',
  Media: 'Media',
  Stylesheets: 'Stylesheet',
};

/** Registrable domains that serve advertisements and count visitors, and nothing that a page needs. */
const AD_DOMAINS = [
  ...[
    'doubleclick.net',
    'googlesyndication.com',
    'googleadservices.com',
    'google-analytics.com',
    'googletagmanager.com',
  ],
  ...['googletagservices.com', 'adnxs.com', 'adsrvr.org', 'amazon-adsystem.com', 'criteo.com', 'criteo.net'],
  ...['rubiconproject.com', 'pubmatic.com', 'openx.net', 'casalemedia.com', 'taboola.com', 'outbrain.com'],
  ...['scorecardresearch.com', 'quantserve.com', 'hotjar.com', 'clarity.ms', 'connect.facebook.net', 'moatads.com'],
  ...['bat.bing.com', 'adform.net', 'smartadserver.com', 'teads.tv', 'media.net', '3lift.com', 'yieldmo.com'],
];

export function blockingSwitches(blocked: readonly BlockedResource[]): string[] {
  return blocked.map((resource) => SWITCHES[resource]).filter((text) => text !== undefined);
}

export function blockingSettings(blocked: readonly BlockedResource[]): string[] {
  return blocked.map((resource) => BLINK_SETTINGS[resource]).filter((text) => text !== undefined);
}

export type Blocking = {
  /** What `Fetch.enable` is to pause, so that it can be refused. */
  readonly patterns: readonly RequestPattern[];
  /** Whether nothing of the type is loaded, as Chromium calls it. */
  readonly forbidsType: (resourceType: string) => boolean;
  /** Whether the URL is of a host that nothing is loaded from. */
  readonly forbids: (url: string) => boolean;
};

export function createBlocking(blocked: readonly BlockedResource[]): Blocking {
  const types = blocked.map((resource) => RESOURCE_TYPES[resource]).filter((type) => type !== undefined);
  const domains = blocked.includes('Ads') ? AD_DOMAINS : [];
  return {
    patterns: [
      ...types.map((resourceType) => ({ resourceType })),
      ...domains.flatMap((domain) => [{ urlPattern: `*://${domain}/*` }, { urlPattern: `*://*.${domain}/*` }]),
    ],
    forbidsType: (resourceType) => types.some((type) => type === resourceType),
    forbids(url) {
      const host = URL.parse(url)?.hostname ?? '';
      return domains.some((domain) => host === domain || host.endsWith(`.${domain}`));
    },
  };
}
