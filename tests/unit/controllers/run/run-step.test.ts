// The whole decision of what is next for a run, as a table.
import { expect, test } from 'vitest';
import { nextStep } from '#src/controllers/run/run-step.ts';

const ROWS = ['Unread', 'Missing', 'Accepted', 'Running', 'Finished'] as const;

/** shutdown, acceptedBefore, credentialsChecked: the steps for each of ROWS. */
test.each([
  [false, false, false, ['Enter', 'Enter', 'RenewCredentials', 'Work', 'Work']],
  [false, false, true, ['Enter', 'Enter', 'Work', 'Work', 'Work']],
  [false, true, false, ['Enter', 'EndLost', 'RenewCredentials', 'Work', 'Work']],
  [false, true, true, ['Enter', 'EndLost', 'Work', 'Work', 'Work']],
  [true, false, false, ['Enter', 'End', 'Work', 'Work', 'Work']],
  [true, false, true, ['Enter', 'End', 'Work', 'Work', 'Work']],
  [true, true, false, ['Enter', 'EndLost', 'Work', 'Work', 'Work']],
  [true, true, true, ['Enter', 'EndLost', 'Work', 'Work', 'Work']],
])('shutdown %s, accepted before %s, credentials checked %s', (shutdown, acceptedBefore, credentialsChecked, steps) => {
  expect(ROWS.map((row) => nextStep({ row, shutdown, acceptedBefore, credentialsChecked }))).toEqual(steps);
});
