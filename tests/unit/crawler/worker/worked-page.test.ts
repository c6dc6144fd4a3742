// The page that the main thread works for, as the other thread sees it.
import { describe, expect, it } from 'vitest';
import type { PageStage } from '#src/crawler/page-stage.ts';
import { readWorkedPage, sharedPage, writeWorkedPage } from '#src/crawler/worker/worked-page.ts';

const page = (requestId: string, stage: PageStage, url = `http://a.example/${requestId}`) => ({
  ...{ requestId, stage, url, leaseToken: `${requestId}-lease`, attempt: 1, since: 1_000 },
});

type Step = readonly ['entered', string, PageStage] | readonly ['ended', string];

/** What the other thread reads after the steps. */
function afterwards(steps: readonly Step[]) {
  const memory = sharedPage();
  const { entered, ended } = writeWorkedPage(memory);
  for (const step of steps) {
    if (step[0] === 'ended') ended(step[1]);
    else entered(page(step[1], step[2]));
  }
  const read = readWorkedPage(memory);
  return read === undefined ? undefined : `${read.requestId} ${read.stage}`;
}

describe('the page that is worked for', () => {
  it.each<[string, Step[], string | undefined]>([
    ['is none at first', [], undefined],
    [
      'is none while pages wait and are fetched',
      [
        ['entered', 'a', 'Admission'],
        ['entered', 'a', 'Fetching'],
      ],
      undefined,
    ],
    [
      'is the one that is read',
      [
        ['entered', 'a', 'Fetching'],
        ['entered', 'a', 'Reading'],
      ],
      'a Reading',
    ],
    [
      'has the stage that it entered last',
      [
        ['entered', 'a', 'Reading'],
        ['entered', 'a', 'Extracting'],
      ],
      'a Extracting',
    ],
    [
      'is the one that entered last',
      [
        ['entered', 'a', 'Reading'],
        ['entered', 'b', 'Screenshot'],
      ],
      'b Screenshot',
    ],
    [
      'is none when it has ended',
      [
        ['entered', 'a', 'Reading'],
        ['ended', 'a'],
      ],
      undefined,
    ],
    [
      'is none when it is fetched again',
      [
        ['entered', 'a', 'Reading'],
        ['entered', 'a', 'Fetching'],
      ],
      undefined,
    ],
    [
      'stays when another one ends',
      [
        ['entered', 'a', 'Reading'],
        ['ended', 'b'],
      ],
      'a Reading',
    ],
    [
      'stays when another one is fetched',
      [
        ['entered', 'a', 'Reading'],
        ['entered', 'b', 'Fetching'],
      ],
      'a Reading',
    ],
  ])('%s', (_, steps, worked) => {
    expect(afterwards(steps)).toBe(worked);
  });

  it('comes over whole, with the longest URL and what stands in it', () => {
    const memory = sharedPage();
    const longest = page('a', 'Reading', `http://a.example/é?${'x'.repeat(2_030)}`);
    writeWorkedPage(memory).entered(longest);
    expect(readWorkedPage(memory)).toEqual(longest);
  });
});
