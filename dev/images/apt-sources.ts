// Where this machine takes Debian's packages from, read off apt's own sources: an image is built from the same place.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One suite at one mirror, such as bookworm-updates. */
export interface AptSource {
  uri: string;
  suite: string;
}

/** The sources of a release and of its updates, as apt on this machine knows them; none on another distribution. */
export async function machineSources(release: string, aptDirectory = '/etc/apt'): Promise<AptSource[]> {
  const directory = join(aptDirectory, 'sources.list.d');
  const names = await readdir(directory).catch(() => []);
  const texts = [await readOrEmpty(join(aptDirectory, 'sources.list')).then(parseOneLine)];
  for (const name of names.toSorted()) {
    const text = await readOrEmpty(join(directory, name));
    if (name.endsWith('.list')) texts.push(parseOneLine(text));
    else if (name.endsWith('.sources')) texts.push(parseDeb822(text));
  }
  const suites = [release, `${release}-updates`, `${release}-security`];
  return texts.flat().filter(({ suite }) => suites.includes(suite));
}

/** The one-line format of sources.list(5): `deb [options] uri suite component…`. */
export function parseOneLine(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const [, uri, suite, components = ''] = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)$/.exec(line.trim()) ?? [];
    return uri !== undefined && suite !== undefined && hasMain(components) ? [{ uri, suite }] : [];
  });
}

/** The deb822 format of sources.list(5): stanzas of fields, apart by empty lines. */
export function parseDeb822(text: string): AptSource[] {
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    const words = (field: string) =>
      new RegExp(`^${field}:(.*)$`, 'im').exec(stanza)?.[1]?.trim().split(/\s+/).filter(Boolean) ?? [];
    const isOn = words('Enabled')[0] !== 'no' && words('Types').includes('deb');
    if (!isOn || !hasMain(words('Components').join(' '))) return [];
    return words('URIs').flatMap((uri) => words('Suites').map((suite) => ({ uri, suite })));
  });
}

/** The sources as lines of a sources.list. */
export function sourcesList(sources: AptSource[]): string {
  return sources.map(({ uri, suite }) => `deb ${uri} ${suite} main\n`).join('');
}

function hasMain(components: string): boolean {
  return components.split(/\s+/).includes('main');
}

async function readOrEmpty(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
