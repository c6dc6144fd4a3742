// JSON that Postgres takes: pages may hold characters that it refuses, and one of them must not fail a whole batch.
import { StoreError } from '../gateway/protocol/store-error.ts';

/**
 * As JSON.stringify, with U+FFFD for NUL and for halves of surrogate pairs. JSON.stringify writes whole pairs as they
 * are, so that every surrogate it escapes is a half. Throws `Refused` for what is nested more deeply than it can write.
 */
export function storableJson(value: unknown): string {
  const json = written(value);
  if (!json.includes('\\u0000') && !json.includes('\\ud')) return json;
  return json.replace(/\\(?:u0000|ud[89a-f][0-9a-f]{2}|.)/g, (sequence) =>
    sequence === '\\u0000' || sequence.startsWith('\\ud') ? '\\ufffd' : sequence,
  );
}

function written(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError)
      throw new StoreError('Refused', 'the data are nested too deeply', { cause: error });
    throw error;
  }
}
