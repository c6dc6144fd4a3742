// What a body costs the gateway: it is held as bytes, as text, as values and as text for the database. Both sides count alike, so
// that a worker sends nothing that no gateway could ever take.

/** Of all bodies that a gateway has in hand. */
export const BODIES_MEMORY = 224 * 1_024 * 1_024;
/** What one body may need: less than the half that a run alone may have, so that it finds room beside others. */
export const MOST_OF_A_BODY = 3 / 8;

/** Measured with bodies of long texts, and of nothing but numbers, empty lists and small objects; see docs/benchmarks.md. */
const MEMORY_OF_BYTE = 6;
const MEMORY_OF_VALUE = 24;

const COMMA = 0x2c;
const LIST = 0x5b;
const OBJECT = 0x7b;

/** Bytes of memory that a body of so many bytes takes at least. */
export function leastMemoryOfBody(bytes: number): number {
  return MEMORY_OF_BYTE * bytes;
}

/** Bytes of memory for a part of a body of JSON. A value begins a list, an object, or follows a comma; in texts they count, too. */
export function memoryOfBody(part: Uint8Array): number {
  let values = 0;
  for (let index = 0; index < part.length; index++) {
    const byte = part[index];
    if (byte === COMMA || byte === LIST || byte === OBJECT) values++;
  }
  return leastMemoryOfBody(part.length) + MEMORY_OF_VALUE * values;
}
