// How many claims a worker holds, and in which order it begins them.
import { expect, it } from 'vitest';
import { ClaimLine } from '#src/crawler/worker/claim-line.ts';
import type { Claim } from '#src/gateway/protocol/worker-store.ts';

const claim = (requestId: string, from: number, goodForMs?: number) =>
  ({ requestId, from, ...(goodForMs === undefined ? {} : { by: from + goodForMs }) }) as Claim;

/** A line of 4 slots whose pages ended one every so many ms until now. */
function lineAtPace(everyMs: number, goodForMs?: number) {
  const line = new ClaimLine();
  for (let end = 0; end < 20; end += 1) line.pageEnded(end * everyMs);
  line.add([claim('a', 0, goodForMs)]);
  line.takeAll();
  return { line, now: 20 * everyMs };
}

it('gives the claim whose place comes first, and none before its place', () => {
  const line = new ClaimLine();
  const now = 1_000;
  line.add([claim('late', now + 1), claim('due', now)]);
  line.add([claim('overdue', now - 5)]);
  expect([line.take(now), line.take(now), line.take(now)].map((next) => next?.requestId)).toEqual([
    'overdue',
    'due',
    undefined,
  ]);
  expect(line.nextAt).toBe(now + 1);
  expect(line.takeAll().map((next) => next.requestId)).toEqual(['late']);
  expect([line.length, line.nextAt]).toEqual([0, undefined]);
});

it('wants what the slots can take while nothing is known of the pace', () => {
  const line = new ClaimLine();
  expect([line.wanted(0, 4, 0), line.wanted(3, 4, 0), line.wanted(4, 4, 0)]).toEqual([4, 1, 0]);
});

it('wants a quarter of a second more of fast pages, many at a time', () => {
  const { line, now } = lineAtPace(10);
  expect(line.wanted(4, 4, now)).toBe(25);
  line.add(Array.from({ length: 12 }, (_, index) => claim(`${index}`, 0)));
  expect(line.wanted(4, 4, now)).toBe(13);
  line.add([claim('one more', 0)]);
  expect(line.wanted(4, 4, now)).toBe(0);
});

it('wants no more than a bounded number, however fast', () => {
  const { line, now } = lineAtPace(0.1);
  expect(line.wanted(4, 4, now)).toBe(250);
});

it('wants slow pages only when there is a slot for them', () => {
  const { line, now } = lineAtPace(1_000);
  expect([line.wanted(4, 4, now), line.wanted(3, 4, now)]).toEqual([0, 1]);
});

it('wants few where places are lost while every slot is busy', () => {
  const { line, now } = lineAtPace(10, 50);
  expect([line.wanted(4, 4, now), line.wanted(3, 4, now)]).toEqual([2, 26]);
});
