// Reports of spider traps: each one once, and none lost to a store that is away for a moment.
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createTrapReports } from '#src/crawler/discovery/trap-reports.ts';

const never = new AbortController().signal;
const trap = (pattern: string) => ({ kind: 'Calendar', pattern }) as const;
const url = new URL('https://site.example/calendar/2099');

it('are sent once each, and the next time when the store could not take them', async () => {
  const taken: string[] = [];
  let isAway = true;
  const reports = createTrapReports(
    {
      async reportTrap({ pattern }) {
        if (isAway) throw new Error('the store is away');
        taken.push(pattern);
      },
    },
    pino({ level: 'silent' }),
  );
  for (const pattern of ['a', 'b', 'a']) reports.noticed(trap(pattern), url);
  await expect(reports.send(never)).rejects.toThrow('away');
  isAway = false;
  await reports.send(never);
  await reports.send(never);
  expect(taken).toEqual(['a', 'b']);
});
