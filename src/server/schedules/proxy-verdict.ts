// What the run that tries a proxy out has shown. Pure.
import { isIP } from 'node:net';
import { type CrawlRun, isFinished } from '../../custom-resources/types.ts';
import type { FirstPage } from '../../store/first-page.ts';

/**
 * Waiting: no answer yet. Works: an answer of the site came by the proxy, whatever it says. Fails: the proxy cannot be reached or refuses.
 * Unclear: the proxy was asked, and the site did not answer. NotTried: the run ended before it asked.
 */
export const PROXY_VERDICTS = ['Waiting', 'Works', 'Fails', 'Unclear', 'NotTried'] as const;
export type ProxyVerdict = (typeof PROXY_VERDICTS)[number];

export type ProxyFinding = {
  readonly verdict: ProxyVerdict;
  /** Of the site's answer. */
  readonly status?: number;
  /** From the request to the last byte of the answer, by the proxy. */
  readonly durationMs?: number;
  /** That the site has seen, where its page tells nothing else. */
  readonly exitAddress?: string;
  readonly cause?: string;
  readonly message?: string;
};

/** A page that tells an address says little beside it. */
const MOST_TEXT = 200;

export function findingOf(run: CrawlRun, page: FirstPage | undefined): ProxyFinding {
  const isTried = page !== undefined && page.state !== 'queued' && page.state !== 'leased';
  if (!isTried) {
    if (!isFinished(run)) return { verdict: 'Waiting' };
    const message = run.status?.message;
    return { verdict: 'NotTried', ...(message === undefined ? {} : { message }) };
  }
  const { state, reason, message, facts: { status, durationMs } = {} } = page;
  const exitAddress = exitAddressOf(page);
  return {
    verdict: verdictOf(state === 'dead' ? reason : undefined, status),
    ...(status === undefined ? {} : { status }),
    ...(durationMs === undefined ? {} : { durationMs }),
    ...(exitAddress === undefined ? {} : { exitAddress }),
    ...(state !== 'dead' || reason === undefined ? {} : { cause: reason }),
    ...(message === undefined ? {} : { message }),
  };
}

function verdictOf(cause: string | undefined, status: number | undefined): ProxyVerdict {
  if (cause === 'ProxyError') return 'Fails';
  return cause === undefined || status !== undefined ? 'Works' : 'Unclear';
}

function exitAddressOf({ data }: FirstPage): string | undefined {
  const text = data?.['text'];
  if (typeof text !== 'string' || text.length > MOST_TEXT) return undefined;
  return text.split(/[^\da-fA-F.:]+/).find((word) => word.length > 3 && isIP(word) !== 0);
}
