// Holds parseCron against robfig/cron on random questions, and sorts what differs.
import { parseCronCached } from '../../src/schedule/cron.ts';
import { type Answers, type Difference, explain } from './differences.ts';
import type { Oracle, Question } from './oracle.ts';
import { createRandom, randomQuestions } from './random-questions.ts';
import { wallClock } from './reference.ts';

export type Comparison = {
  readonly asked: number;
  /** Answers that are the same, "never due" among them. */
  agreed: number;
  /** Answers that differ as they are meant to. */
  readonly explained: Map<Difference, { count: number; readonly example: Answers }>;
  /** Questions on which the two have other data about the zone, so that nothing can be said. */
  otherZoneData: number;
  /** Answers that differ without a reason: defects. */
  readonly unexplained: Answers[];
};

const BATCH = 10_000;

/** Asks `count` questions, which the seed decides. `onProgress` is told how many are done. */
export async function compare(
  oracle: Oracle,
  { seed, count, onProgress }: { seed: number; count: number; onProgress?: (done: number) => void },
): Promise<Comparison> {
  const result: Comparison = { asked: count, agreed: 0, explained: new Map(), otherZoneData: 0, unexplained: [] };
  let batch: Question[] = [];
  let done = 0;
  const finishBatch = async () => {
    const theirs = await oracle.ask(batch);
    const different: Answers[] = [];
    for (const [index, question] of batch.entries()) {
      const answers = { ...question, ours: ourAnswer(question), theirs: theirAnswer(question, theirs[index] ?? '') };
      if (answers.ours === answers.theirs) result.agreed += 1;
      else different.push(answers);
    }
    const isSameData = await haveSameZoneData(oracle, different);
    for (const [index, answers] of different.entries()) sort(result, answers, isSameData[index] ?? false);
    done += batch.length;
    batch = [];
    onProgress?.(done);
  };
  for (const question of randomQuestions(createRandom(seed), count)) {
    batch.push(question);
    if (batch.length === BATCH) await finishBatch();
  }
  await finishBatch();
  return result;
}

function sort(result: Comparison, answers: Answers, isSameData: boolean): void {
  if (!isSameData) {
    result.otherZoneData += 1;
    return;
  }
  const difference = explain(answers);
  if (difference === undefined) {
    result.unexplained.push(answers);
    return;
  }
  const known = result.explained.get(difference);
  if (known) known.count += 1;
  else result.explained.set(difference, { count: 1, example: answers });
}

function ourAnswer({ expression, timeZone, second }: Question): number | undefined {
  const parsed = parseCronCached(expression, timeZone, 'seed');
  if (parsed.ok) {
    const next = parsed.timetable.next(new Date(second * 1_000));
    return next && next.getTime() / 1_000;
  }
  if (parsed.error.message.endsWith('is never due')) return undefined;
  throw new Error(`${parsed.error.message} (in ${timeZone})`);
}

function theirAnswer({ expression }: Question, answer: string): number | undefined {
  if (answer === 'never') return undefined;
  if (!/^\d+$/.test(answer)) throw new Error(`robfig/cron does not understand "${expression}": ${answer}`);
  return Number(answer);
}

/** Whether both know the same offset from UTC at the question and at both answers. */
async function haveSameZoneData(oracle: Oracle, different: readonly Answers[]): Promise<boolean[]> {
  const questions = different.flatMap(({ timeZone, second, ours, theirs }) =>
    [second, ours, theirs].filter((instant) => instant !== undefined).map((instant) => ({ timeZone, second: instant })),
  );
  const offsets = await oracle.ask(questions.map((question) => ({ ...question, expression: '' })));
  const other = new Set(
    questions
      .filter(
        ({ timeZone, second }, index) =>
          wallClock(timeZone, second * 1_000) / 1_000 - second !== Number(offsets[index]),
      )
      .map(({ timeZone, second }) => `${timeZone} ${second}`),
  );
  return different.map(
    ({ timeZone, second, ours, theirs }) =>
      ![second, ours, theirs].some((instant) => other.has(`${timeZone} ${instant}`)),
  );
}
