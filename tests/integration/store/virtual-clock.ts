// Time as a test sets it: the functions of an installation look at a clock that only moves when it is told to.
import type pg from 'pg';
import { functionTexts } from '#src/store/sql/texts.ts';
import { testClient } from '../../support/database-connections.ts';
import { type Installation, SCHEMA } from './fixture.ts';

export type VirtualClock = AsyncDisposable & {
  /** The one connection that lives in virtual time; all others see the real one. */
  query<T extends pg.QueryResultRow>(nowMs: number, text: string, values: readonly unknown[]): Promise<T[]>;
};

/** Puts functions in place that read `test.now` where the real ones read the clock, and are the same otherwise. */
export async function setVirtualClock(installation: Installation): Promise<VirtualClock> {
  const client = testClient(installation.database.superuserUrl, { schema: SCHEMA });
  await client.connect();
  await client.query(
    `create function virtual_now() returns timestamptz language sql volatile as $$
      select coalesce(to_timestamp(nullif(current_setting('test.now', true), '')::double precision / 1000), clock_timestamp())
    $$`,
  );
  for (const text of Object.values(functionTexts)) {
    if (text.includes('clock_timestamp()')) await client.query(text.replaceAll('clock_timestamp()', 'virtual_now()'));
  }
  return {
    async query<T extends pg.QueryResultRow>(nowMs: number, text: string, values: readonly unknown[]) {
      await client.query('select set_config($1, $2, false)', ['test.now', String(nowMs)]);
      return (await client.query<T>(text, [...values])).rows;
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}
