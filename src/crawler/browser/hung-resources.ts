// What pages asked for and was not answered until their deadline. It is not asked for again for a while: a third party
// that hangs costs one page its time, and not each page that loads it.

const REMEMBERED_MS = 10 * 60_000;
const MAX_RESOURCES = 200;

export type HungResources = {
  readonly note: (urls: readonly string[]) => void;
  readonly has: (url: string) => boolean;
  /** Patterns for `Fetch.enable`: they match these addresses, and others that begin with them. */
  readonly patterns: () => readonly string[];
  /** Another number whenever something was noted. */
  readonly version: () => number;
};

/** Without its query, which many scripts make up anew each time. @param now in milliseconds */
export function createHungResources(now = () => performance.now()): HungResources {
  const notedAt = new Map<string, number>();
  let version = 0;

  function isRemembered(name: string): boolean {
    const time = notedAt.get(name);
    if (time === undefined) return false;
    if (now() - time < REMEMBERED_MS) return true;
    notedAt.delete(name);
    return false;
  }

  return {
    note(urls) {
      for (const url of urls) {
        const name = nameOf(url);
        notedAt.delete(name);
        notedAt.set(name, now());
      }
      if (urls.length > 0) version++;
      for (const name of [...notedAt.keys()].slice(0, Math.max(0, notedAt.size - MAX_RESOURCES))) notedAt.delete(name);
    },
    has: (url) => notedAt.size > 0 && isRemembered(nameOf(url)),
    patterns: () => [...notedAt.keys()].filter(isRemembered).map((name) => `${name.replaceAll(/[\\*?]/g, '\\$&')}*`),
    version: () => version,
  };
}

function nameOf(url: string): string {
  return url.replace(/[?#].*$/s, '');
}
