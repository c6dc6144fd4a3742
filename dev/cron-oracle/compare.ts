// `npm run compare:cron [-- --count N --seed N]`: a million random questions to Trawler and to robfig/cron. Fails when
// the two differ in a way that docs/schedules.md does not know.
import { parseArgs } from 'node:util';
import { compare } from './comparison.ts';
import type { Answers } from './differences.ts';
import { startOracle } from './oracle.ts';

const { values } = parseArgs({
  options: { count: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '1' } },
});
const count = Number(values.count);
const seed = Number(values.seed);

function show({ expression, timeZone, second, ours, theirs }: Answers): string {
  const time = (instant: number | undefined) =>
    instant === undefined ? 'never' : new Date(instant * 1_000).toLocaleString('sv-SE', { timeZone });
  return `"${expression}" in ${timeZone} after ${time(second)}: Trawler ${time(ours)}, robfig/cron ${time(theirs)}`;
}

const oracle = await startOracle();
let shown = 0;
const onProgress = (done: number) => {
  if (done - shown < 100_000) return;
  shown = done;
  console.log(`${done} of ${count}`);
};
const { agreed, explained, otherZoneData, unexplained } = await compare(oracle, { seed, count, onProgress });
await oracle.close();

console.log(`${agreed} of ${count} agree; ${otherZoneData} cannot be compared, since the zone data differ`);
for (const [difference, { count, example }] of explained) console.log(`${count} ${difference}: ${show(example)}`);
for (const answers of unexplained.slice(0, 20)) console.log(`✖ ${show(answers)}`);
console.log(`${unexplained.length} unexplained`);
process.exitCode = unexplained.length === 0 ? 0 : 1;
