// Why pages fail: workers say it, counters and dead letters keep it, and a retry may choose by it.

/** Fixed list: why a fetch or an extraction failed. */
export const FAILURE_CAUSES = [
  'Timeout',
  'DnsError',
  'ConnectionError',
  'TlsError',
  'HttpError',
  'RateLimited',
  /** A challenge, a captcha or an empty shell in place of the page; the message names the evidence. */
  'Blocked',
  /** The proxy of the spec could not be reached, or refused to go on. */
  'ProxyError',
  'TooManyRedirects',
  'TooLarge',
  'AddressForbidden',
  'InvalidUrl',
  'RobotsUnavailable',
  /** The host did not answer for so long that the run gave it up: the page was not tried, or not again. */
  'HostUnreachable',
  'MissingField',
  /** A start URL leads to another site, which the message names. */
  'MovedAway',
  'BrowserError',
  'ExtractionError',
  /** What was to be a sitemap is none. */
  'BadSitemap',
  /** The picture of the page could not be stored. */
  'ScreenshotError',
  'LeaseExpired',
] as const;
export type FailureCause = (typeof FAILURE_CAUSES)[number];
