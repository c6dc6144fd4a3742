// What the files of SQL functions have in common, and that the build carries them.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { MAX_BLOCKED_RETRIES } from '#src/gateway/protocol/worker-store.ts';
import { FUNCTIONS_CHECKSUM } from '#src/store/functions.ts';
import { functionTexts } from '#src/store/sql/texts.ts';
import { bundle } from '../../../dev/build.ts';
import { projectRoot } from '../../../dev/setup/paths.mjs';

const files = Object.entries(functionTexts);

test.each(files)('%s.sql says what it is for and creates that function alone', (name, text) => {
  expect(text.split('\n')[0]).toMatch(/^-- [A-Z]/);
  expect([...text.matchAll(/^create or replace function (\w+)/gim)].map(([, created]) => created)).toEqual([
    name.replace(/\.v\d+$/, ''),
  ]);
});

/** Statements on large tables keep the same plan, whatever the statistics say: see docs/decisions/0051-sql-files.md. */
const PLAN_SETTINGS = `set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off`;

test.each(files)('%s.sql has the settings for stable plans in full, or none of them', (_, text) => {
  if (/set (enable_|plan_cache_mode|jit)/.test(text)) expect(text).toContain(PLAN_SETTINGS);
});

test.each(files)('%s.sql fixes the search path where it runs with the rights of the owner', (_, text) => {
  if (/security definer/.test(text)) expect(text).toContain('set search_path from current');
});

test('the database and the worker count refused tries alike', () => {
  expect(functionTexts['commit_outcomes']).toContain(`most_blocked_retries constant int := ${MAX_BLOCKED_RETRIES};`);
});

test('a bundle holds the same functions as the source', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'trawler-bundle-'));
  try {
    await bundle(join(projectRoot, 'src', 'store', 'functions.ts'), directory);
    const bundled = (await import(pathToFileURL(join(directory, 'main.js')).href)) as { FUNCTIONS_CHECKSUM: string };
    expect(bundled.FUNCTIONS_CHECKSUM).toBe(FUNCTIONS_CHECKSUM);
  } finally {
    await rm(directory, { recursive: true });
  }
});
