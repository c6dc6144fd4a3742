// Both formats of apt's sources, and which of them a base image is made from.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { machineSources, parseDeb822, parseOneLine, sourcesList } from '../../../dev/images/apt-sources.ts';

test('a line names a mirror and a suite, with options or without', () => {
  const text = `# deb http://old.example/debian bookworm main
deb http://mirror.example/debian bookworm main contrib
deb [signed-by=/k.gpg arch=amd64] https://mirror.example/security bookworm-security main
deb-src http://mirror.example/debian bookworm main
deb https://tools.example/apt tools contrib`;
  expect(parseOneLine(text)).toEqual([
    { uri: 'http://mirror.example/debian', suite: 'bookworm' },
    { uri: 'https://mirror.example/security', suite: 'bookworm-security' },
  ]);
});

test('a stanza names mirrors and suites, each with each', () => {
  const text = `Types: deb
# URIs: http://old.example/debian
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb-src
URIs: http://mirror.example/debian
Suites: bookworm
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main`;
  expect(parseDeb822(text)).toEqual([
    { uri: 'http://mirror.example/debian', suite: 'bookworm' },
    { uri: 'http://mirror.example/debian', suite: 'bookworm-updates' },
  ]);
});

test('of a machine, what belongs to the release, as lines of a sources.list', async () => {
  const apt = await mkdtemp(join(tmpdir(), 'trawler-apt-'));
  try {
    await mkdir(join(apt, 'sources.list.d'));
    await writeFile(join(apt, 'sources.list'), 'deb http://mirror.example/debian bookworm main\n');
    await writeFile(join(apt, 'sources.list.d/other.list'), 'deb http://other.example/apt nodistro main\n');
    const security = 'Types: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\nComponents: main\n';
    await writeFile(join(apt, 'sources.list.d/debian.sources'), security);
    expect(sourcesList(await machineSources('bookworm', apt))).toBe(
      'deb http://mirror.example/debian bookworm main\ndeb http://mirror.example/security bookworm-security main\n',
    );
    expect(await machineSources('trixie', apt)).toEqual([]);
  } finally {
    await rm(apt, { recursive: true });
  }
});
