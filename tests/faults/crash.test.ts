// The operator crashes after each of its writes in turn; whatever the moment, the end is that of an undisturbed run.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestDatabase } from '../support/postgres.ts';
import { auditRuns } from './audit.ts';
import { play } from './scenario.ts';
import { setStage } from './stage.ts';
import { startWorld, type World } from './world.ts';

/** Stages that play at once. Mostly they wait: for slots, for operators that start. */
const LANES = 6;

let world: World;
let databases: TestDatabase[];

beforeAll(async () => {
  world = await startWorld();
  databases = await Promise.all(Array.from({ length: LANES }, () => world.postgres.createDatabase()));
});
afterAll(() => world?.stop());

test('the operator may crash after every write', { timeout: 1_800_000 }, async () => {
  const [first] = databases;
  if (first === undefined) throw new Error('no database');
  const writes = await reference(first);
  const crashed: number[] = [];
  const failures: string[] = [];
  let next = 1;
  const lane = async (database: TestDatabase) => {
    for (let count = next++; count <= writes; count = next++) {
      const end = await crashAfter(count, database).catch((error: unknown) => `crash after write ${count}: ${error}`);
      if (typeof end === 'string') failures.push(end);
      else if (end) crashed.push(count);
    }
  };
  await Promise.all(databases.map(lane));
  console.log(`crashed after ${crashed.length} of the ${writes} writes of the reference`);

  expect(failures).toEqual([]);
  // How often a status is written varies a little, so the last few may never come.
  expect(crashed.length).toBeGreaterThan(writes * 0.9);
  expect(await auditRuns(world.plane.auditLogPath)).toMatchObject({ doubleSlots: [], overlaps: [] });
});

/** The undisturbed scenario; how many writes it took. */
async function reference(database: TestDatabase): Promise<number> {
  await using stage = await setStage(world, 'reference', database);
  await stage.startOperator();
  await play(stage);
  return stage.proxy.writes.length;
}

/** Whether it came to the crash. */
async function crashAfter(count: number, database: TestDatabase): Promise<boolean> {
  await using stage = await setStage(world, `crash-${count}`, database);
  let crashed = false;
  stage.proxy.onWrite(async (done) => {
    if (done !== count) return;
    crashed = true;
    await stage.restartOperator();
  });
  await stage.startOperator();
  await play(stage);
  return crashed;
}
