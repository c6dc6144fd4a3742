// Outcomes in the worker's log and totals: what is missing of a page that is done is told.
import { expect, it } from 'vitest';
import { countOutcome, logOutcome, noTotals } from '#src/crawler/worker/outcome-log.ts';
import type { Claim, FetchFacts, Outcome } from '#src/gateway/protocol/worker-store.ts';
import type { Logger } from '#src/telemetry/logger.ts';

const claim = { url: 'http://a.example/', source: 's', attempt: 1 } as Claim;
const done = (facts: FetchFacts): Outcome => ({ type: 'done', claim, items: [{}], links: [], facts });

it('a missing picture is a warning and counted, and the page is one of the pages', () => {
  const lines: [level: string, text: string, line: object][] = [];
  const write = (level: string) => (line: object, text: string) => void lines.push([level, text, line]);
  const log = { warn: write('warn'), debug: write('debug') } as unknown as Logger;
  const totals = noTotals();
  for (const outcome of [done({}), done({ screenshotError: 'why' })]) {
    countOutcome(totals, outcome);
    logOutcome(log, outcome);
  }
  expect(totals).toEqual({ ...noTotals(), pages: 2, items: 2, missingScreenshots: 1 });
  expect(lines.map(([level, text]) => [level, text])).toEqual([
    ['debug', 'page done'],
    ['warn', 'page has no screenshot'],
  ]);
  expect(lines[1]?.[2]).toMatchObject({ url: 'http://a.example/', screenshotError: 'why' });
});
