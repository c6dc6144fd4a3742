// JSON that Postgres takes: pages may hold characters that it refuses, and one of them must not fail a whole batch.

/**
 * As JSON.stringify, with U+FFFD for NUL and for halves of surrogate pairs. JSON.stringify writes whole pairs as they
 * are, so that every surrogate it escapes is a half.
 */
export function storableJson(value: unknown): string {
  const json = JSON.stringify(value);
  if (!json.includes('\\u0000') && !json.includes('\\ud')) return json;
  return json.replace(/\\(?:u0000|ud[89a-f][0-9a-f]{2}|.)/g, (sequence) =>
    sequence === '\\u0000' || sequence.startsWith('\\ud') ? '\\ufffd' : sequence,
  );
}
