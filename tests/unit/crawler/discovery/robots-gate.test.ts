// A robots.txt whose content coding breaks off: what was read of it is not all that it forbids.
import { describe, expect, it } from 'vitest';
import { createRobotsGate } from '#src/crawler/discovery/robots-gate.ts';
import type { HttpClient, HttpResponse } from '#src/crawler/http/http-client.ts';
import type { HostPacer } from '#src/crawler/network/host-pacer.ts';

const never = new AbortController().signal;
const WHOLE = 'User-agent: *\nDisallow: /a\nDisallow: /b\n';
const whole = { status: 200, headers: {}, body: Buffer.from(WHOLE) } as HttpResponse;
const broken = { ...whole, body: Buffer.from(WHOLE.slice(0, 26)), isBroken: true } as HttpResponse;

/** What the gate answers for /b, what it was sent for, and what it kept, of a server that answers so. */
async function answerOf(packed: HttpResponse, plain: HttpResponse) {
  const asked: string[] = [];
  const kept: unknown[] = [];
  let places = 0;
  const client: HttpClient = {
    async get({ headers = {} }) {
      asked.push(headers['accept-encoding'] ?? 'any');
      return headers['accept-encoding'] === 'identity' ? plain : packed;
    },
    close: async () => {},
  };
  const pacer = { takePlace: async () => void places++ } as unknown as HostPacer;
  const store = {
    readRobots: async () => undefined,
    writeRobots: async (_: string, rules: unknown) => void kept.push(rules),
    setCrawlDelay: async () => {},
  };
  const gate = createRobotsGate({ store, client, userAgent: 'Trawler/0.1', pacer });
  return { answer: await gate.check(new URL('http://a.example/b'), never), asked, kept: kept.length, places };
}

describe('a robots.txt', () => {
  it('that is whole is asked for once', async () => {
    expect(await answerOf(whole, whole)).toEqual({
      answer: { allowed: false, sitemaps: [] },
      asked: ['any'],
      kept: 1,
      places: 1,
    });
  });

  it('that breaks off is asked for once more, not packed, in its own place', async () => {
    expect(await answerOf(broken, whole)).toEqual({
      answer: { allowed: false, sitemaps: [] },
      asked: ['any', 'identity'],
      kept: 1,
      places: 2,
    });
  });

  it('that breaks off again allows nothing for now, and is not kept', async () => {
    const { answer, kept } = await answerOf(broken, broken);
    expect(answer).toMatchObject({ failure: { cause: 'ConnectionError', retryable: true } });
    expect(kept).toBe(0);
  });
});
