// Answers that are good for a while: asked once, asked anew in time, never counted for longer.
import { beforeEach, expect, test } from 'vitest';
import { createFreshAnswers, type FreshAnswers } from '#src/server/auth/fresh-answers.ts';

let clock: number;
let asked: PromiseWithResolvers<string>[];
let answers: FreshAnswers<string>;

beforeEach(() => {
  clock = 1_000;
  asked = [];
  answers = createFreshAnswers<string>({ freshMs: 100, most: 10, now: () => clock });
});

function ask(): Promise<string> {
  const question = Promise.withResolvers<string>();
  asked.push(question);
  return question.promise;
}
const get = () => answers.get('key', ask);
/** What has been answered is remembered. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('is asked once for all who wait, and each key has its own', async () => {
  const both = Promise.all([get(), get()]);
  asked[0]?.resolve('yes');
  expect(await both).toEqual(['yes', 'yes']);
  clock += 49;
  expect(await get()).toBe('yes');
  expect(asked).toHaveLength(1);
  void answers.get('other', ask);
  expect(asked).toHaveLength(2);
});

test('is asked anew when half of its time is over, by one, while the old answer still counts', async () => {
  void get();
  asked[0]?.resolve('old');
  clock += 50;
  expect(await Promise.all([get(), get()])).toEqual(['old', 'old']);
  expect(asked).toHaveLength(2);
  asked[1]?.resolve('new');
  await settled();
  expect(await get()).toBe('new');
  // Good from the moment of asking on.
  clock += 99;
  expect(await get()).toBe('new');
});

test('counts for its time and no longer, also while it is being asked anew', async () => {
  void get();
  asked[0]?.resolve('old');
  clock += 60;
  expect(await get()).toBe('old');
  clock += 40;
  const late = get();
  expect(asked).toHaveLength(3);
  asked[2]?.resolve('newest');
  expect(await late).toBe('newest');
  // What was asked before that comes after it.
  asked[1]?.resolve('overtaken');
  await settled();
  expect(await get()).toBe('newest');
});

test('a failure reaches who waits for it, is not remembered, and leaves a good answer to its time', async () => {
  const failed = get();
  asked[0]?.reject(new Error('away'));
  await expect(failed).rejects.toThrow('away');
  const answered = get();
  asked[1]?.resolve('yes');
  expect(await answered).toBe('yes');
  clock += 50;
  expect(await get()).toBe('yes');
  asked[2]?.reject(new Error('away'));
  await settled();
  expect(await get()).toBe('yes');
  expect(asked).toHaveLength(4);
  clock += 50;
  const again = get();
  asked[4]?.reject(new Error('still away'));
  await expect(again).rejects.toThrow('still away');
});
