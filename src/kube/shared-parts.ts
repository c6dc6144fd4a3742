// Equal parts of many objects kept once in memory: thousands of cached objects differ in little but their names.
import QuickLRU from 'quick-lru';

/** Texts, and as many objects. Parts that were not met for the longest are forgotten: their like is then kept twice. */
const REMEMBERED = 2_500;
/** In characters, of an object those of its JSON. */
const LARGEST = 1_000;

/**
 * Returns a function that puts, in place of each part of an object of JSON, the first equal part that it met in any
 * object. It changes the object that it is given; from then on nobody may change any of its parts.
 */
export function createPartSharing(): <T extends object>(object: T) => T {
  const texts = new QuickLRU<string, string>({ maxSize: REMEMBERED });
  const objects = new QuickLRU<string, object>({ maxSize: REMEMBERED });

  /** The first part that was equal to this one; undefined when there was none. */
  function find(part: unknown): unknown {
    if (typeof part === 'string') return firstOf(texts, part, part);
    if (typeof part !== 'object' || part === null) return part;
    // With a part of its own that nobody has seen, the whole is new as well.
    return shareParts(part) ? firstOf(objects, JSON.stringify(part), part) : undefined;
  }

  /** Whether each part was met before. */
  function shareParts(object: object): boolean {
    let allFound = true;
    const parts = object as Record<string, unknown>;
    for (const key of Object.keys(parts)) {
      const part = parts[key];
      const found = find(part);
      if (found === undefined) allFound = false;
      else if (found !== part) parts[key] = found;
    }
    return allFound;
  }

  return (object) => {
    shareParts(object);
    return object;
  };
}

/** What was first met with this key; undefined, and remembered from now on, when nothing was. */
function firstOf<Part>(met: QuickLRU<string, Part>, key: string, part: Part): Part | undefined {
  if (key.length > LARGEST) return undefined;
  const first = met.get(key);
  if (first === undefined) met.set(key, part);
  return first;
}
