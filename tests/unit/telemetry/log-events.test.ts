// The lines that programs look for have the texts that they always had, and stand in the code once: in the table.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LOG_EVENTS } from '#src/telemetry/log-events.ts';
import { projectRoot } from '../../../dev/setup/paths.mjs';

const TABLE = 'src/telemetry/log-events.ts';

const files = (await Promise.all(['src', 'operator', 'crawler-image'].map(sourcesIn))).flat();
const sources = await Promise.all(files.map((file) => readFile(join(projectRoot, file), 'utf8')));

async function sourcesIn(folder: string): Promise<string[]> {
  const names = await readdir(join(projectRoot, folder), { recursive: true });
  return names.filter((name) => name.endsWith('.ts')).map((name) => join(folder, name));
}

it('says what the systems before said', () => {
  const messages = Object.values(LOG_EVENTS).map(({ message }) => message);
  expect(messages.toSorted()).toEqual(
    [
      ...['service starting', 'database connected', 'scheduler started', 'run started', 'source failed'],
      ...['task processing failed', 'crawler blocked detected', 'proxy switched', 'shutdown signal received'],
      ...['run finished', 'failed to load config'],
    ].toSorted(),
  );
});

it.each(Object.entries(LOG_EVENTS))('%s is logged, at its level, from the table', (key, { message, level }) => {
  const literal = files.filter((file, index) => file !== TABLE && sources[index]?.includes(`'${message}'`));
  expect(literal).toEqual([]);
  // At most a few lines between the call and its text.
  const use = new RegExp(
    `\\b(?:log|logger|createLogger\\([^)]*\\))\\.(\\w+)\\([^;]*LOG_EVENTS\\.${key}\\.message`,
    'g',
  );
  const levels = sources.flatMap((source) => [...source.matchAll(use)].map(([, found]) => found));
  expect(levels).not.toEqual([]);
  expect(new Set(levels)).toEqual(new Set([level]));
});
