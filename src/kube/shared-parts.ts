// Equal parts of many objects kept once in memory: thousands of cached objects differ in little but their names.

/** Parts that were not met for the longest are forgotten first: their like is then kept a second time, no more. */
const REMEMBERED = 5_000;
/** In characters of JSON. */
const LARGEST = 1_000;

/**
 * Returns a function that puts, in place of each part of an object of JSON, the first equal part that it met in any
 * object. It changes the object that it is given; from then on nobody may change any of its parts.
 */
export function createPartSharing(): <T extends object>(object: T) => T {
  const firsts = new Map<string, unknown>();

  /** The first part that was equal to this one; undefined when there was none. */
  function find(part: unknown): unknown {
    if (typeof part === 'string') return findAndRemember(part);
    if (typeof part !== 'object' || part === null) return part;
    // With a part of its own that nobody has seen, the whole is new as well.
    return shareParts(part) ? findAndRemember(part) : undefined;
  }

  function findAndRemember(part: string | object): unknown {
    const text = JSON.stringify(part);
    if (text.length > LARGEST) return undefined;
    const found = firsts.get(text);
    // Last in the Map's order is what was met last.
    firsts.delete(text);
    firsts.set(text, found ?? part);
    if (firsts.size > REMEMBERED) firsts.delete(firsts.keys().next().value ?? '');
    return found;
  }

  /** Whether each part was met before. */
  function shareParts(object: object): boolean {
    let allFound = true;
    for (const [key, part] of Object.entries(object)) {
      const found = find(part);
      if (found === undefined) allFound = false;
      else (object as Record<string, unknown>)[key] = found;
    }
    return allFound;
  }

  return (object) => {
    shareParts(object);
    return object;
  };
}
