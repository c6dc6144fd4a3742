// Which line a token waits in to be looked up: that of its caller's address, or, once it was good, that of its run.
import { expect, it } from 'vitest';
import { createAdmission } from '#src/gateway/admission.ts';
import type { Place } from '#src/gateway/fair-line.ts';
import { StoreError } from '#src/gateway/protocol/store-error.ts';
import { runKeyOf } from '#src/store/worker-calls.ts';

const GOOD_FOR_MS = 5_000;
const key = runKeyOf('token');
const address = '10.0.0.7';
const stranger = { namespace: '', runId: address };
const run = { runId: 'run', namespace: 'shop', workers: 1 };
const ofRun = { namespace: 'shop', runId: 'run' };

/** Looks the token up again and again, each time when the answer before is not good any more; where it waited. */
async function lookedUp(answers: readonly (typeof run | StoreError)[]): Promise<Place[]> {
  const places: Place[] = [];
  let now = 0;
  const lookUp = async (_key: typeof key, place: Place) => {
    const answer = answers[places.length] ?? run;
    places.push(place);
    if (answer instanceof StoreError) throw answer;
    return answer;
  };
  const admission = createAdmission(lookUp, 10, () => now);
  for (const answer of answers) {
    const asked = admission.runOf(key, address);
    if (answer instanceof StoreError) await expect(asked).rejects.toBe(answer);
    else expect(await asked).toBe(answer);
    now += GOOD_FOR_MS;
  }
  return places;
}

const refused = new StoreError('TokenRefused', 'revoked');
const away = new StoreError('Unavailable', 'away');

it.each([
  ['a token that nobody knows', [refused, refused], [stranger, stranger]],
  ['one that is good', [run, run, run], [stranger, ofRun, ofRun]],
  ['one that is revoked', [run, refused, refused], [stranger, ofRun, stranger]],
  ['one that was good before the database was away', [run, away, run], [stranger, ofRun, ofRun]],
])('%s', async (_what, answers, places) => {
  expect(await lookedUp(answers)).toEqual(places);
});
