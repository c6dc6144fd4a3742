// Downloads are only used when their SHA-256 is the published one.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { downloadReleases } from '../../../dev/setup/releases.mjs';

let server: Server;
let origin: string;
let directory: string;
const files = new Map<string, Buffer | string>();
const options = { report: () => {}, signal: new AbortController().signal };

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'trawler-releases-'));
  files.clear();
  server = createServer((request, response) => {
    const content = files.get(request.url ?? '');
    response.writeHead(content === undefined ? 404 : 200).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true });
});

const sum = (content: Buffer | string) => createHash('sha256').update(content).digest('hex');
const bin = () => join(directory, 'bin');

function archiveOf(member: string, content: string): Buffer {
  writeFileSync(join(directory, member), content);
  return spawnSync('tar', ['-czf', '-', '-C', directory, member]).stdout;
}

test('a program by itself and one in an archive are placed, executable', async () => {
  const archive = archiveOf('etcd', 'database');
  files.set('/kubelet', 'agent').set('/kubelet.sha256', sum('agent'));
  files.set('/etcd.tar.gz', archive).set('/SHA256SUMS', `${sum('other')}  other.zip\n${sum(archive)}  etcd.tar.gz\n`);
  await downloadReleases(
    bin(),
    [
      { program: 'kubelet', url: `${origin}/kubelet`, checksumUrl: `${origin}/kubelet.sha256` },
      { program: 'etcd', url: `${origin}/etcd.tar.gz`, checksumUrl: `${origin}/SHA256SUMS`, member: 'etcd' },
    ],
    options,
  );
  expect(readdirSync(bin()).sort()).toEqual(['etcd', 'kubelet']);
  expect(readFileSync(join(bin(), 'etcd'), 'utf8')).toBe('database');
  expect(statSync(join(bin(), 'kubelet')).mode & 0o777).toBe(0o755);
});

test('another content than the published one is refused and not kept', async () => {
  files.set('/kubelet', 'changed on the way').set('/kubelet.sha256', sum('agent'));
  const release = { program: 'kubelet', url: `${origin}/kubelet`, checksumUrl: `${origin}/kubelet.sha256` };
  await expect(downloadReleases(bin(), [release], options)).rejects.toThrow(/has SHA-256 .*, not /);
  expect(readdirSync(bin())).toEqual([]);
});

test('an origin without the file is an error that names it', async () => {
  const release = { program: 'kubelet', url: `${origin}/kubelet`, checksumUrl: `${origin}/kubelet.sha256` };
  await expect(downloadReleases(bin(), [release], options)).rejects.toThrow(`${origin}/kubelet.sha256 answered 404`);
});
