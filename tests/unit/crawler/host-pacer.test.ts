// Spacing of sends when the machine is late.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHostPacer, dueTime } from '#src/crawler/host-pacer.ts';

describe('dueTime', () => {
  it.each([
    ['the first one is sent as planned', undefined, 50, 50],
    ['after one in time, as planned', { planned: 0, sent: 0 }, 100, 100],
    ['after a late one, later', { planned: 0, sent: 30 }, 100, 130],
    ['by no more than the spacing', { planned: 0, sent: 500 }, 300, 600],
    ['not at all when there is time enough', { planned: 0, sent: 30 }, 400, 400],
    ['out of order, at once', { planned: 100, sent: 130 }, 50, 130],
  ])('%s', (_, last, planned, expected) => {
    expect(dueTime(last, planned, 100)).toBe(expected);
  });

  it('never lets lateness pile up beyond what the spacing asks for', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ pause: fc.nat(50), late: fc.nat(40) }), { maxLength: 200 }), (sends) => {
        let planned = 0;
        let last: { planned: number; sent: number } | undefined;
        for (const { pause, late } of sends) {
          planned += pause;
          const due = dueTime(last, planned, 1);
          expect(due).toBeLessThanOrEqual(Math.max(planned, (last?.sent ?? 0) + 1));
          last = { planned, sent: due + late };
        }
      }),
    );
  });
});

it('lets go of a wait that is not wanted any more', async () => {
  const stop = new AbortController();
  const waiting = createHostPacer(1_000).untilPlace('a.example', performance.now() + 60_000, stop.signal);
  stop.abort(new Error('stopping'));
  await expect(waiting).rejects.toThrow('stopping');
});
