// Chromium's own sandbox in a container like that of a crawler pod: not root, no capabilities, no new privileges, a
// read-only root, and the seccomp profile of the image. runc is what runs pods, too.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { findChromium } from '#src/crawler/browser/chromium.ts';

const run = promisify(execFile);
const CRAWLER_UID = 65_532;

type Seccomp = { readonly syscalls: readonly { readonly names: readonly string[]; readonly args?: object[] }[] };

const profile = JSON.parse(await readFile('crawler-image/chromium-seccomp.json', 'utf8')) as Seccomp;

/** What Chromium says in a container with that profile. */
async function sandboxUnder(seccomp: Seccomp): Promise<unknown> {
  const bundle = await mkdtemp(join(tmpdir(), 'trawler-container-'));
  const id = `trawler-${randomUUID()}`;
  const runc = ['--root', join(bundle, 'state')];
  try {
    await mkdir(join(bundle, 'rootfs'));
    // The machine's own programs, where they are; the links of a Debian with everything under /usr.
    for (const name of ['bin', 'lib', 'lib64']) await symlink(`usr/${name}`, join(bundle, 'rootfs', name));
    await writeFile(join(bundle, 'config.json'), JSON.stringify(await containerWith(seccomp)));
    const { stdout } = await run('runc', [...runc, 'run', '--bundle', bundle, id]);
    return JSON.parse(stdout);
  } finally {
    await run('runc', [...runc, 'delete', '--force', id]);
    await rm(bundle, { recursive: true });
  }
}

/** OCI runtime specification, as far as the kubelet would fill it in. */
async function containerWith(seccomp: Seccomp): Promise<object> {
  const readOnly = (path: string) => ({ type: 'bind', source: path, destination: path, options: ['rbind', 'ro'] });
  const writable = (path: string) => ({ type: 'tmpfs', source: 'tmpfs', destination: path, options: ['mode=1777'] });
  const source = process.cwd();
  const modules = await realpath('node_modules');
  const programs = new Set([source, modules, dirname(await realpath(process.execPath))]);
  const none: string[] = [];
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid: CRAWLER_UID, gid: CRAWLER_UID },
      args: [await realpath(process.execPath), 'tests/integration/crawler/sandboxed-browser.ts', findChromium()],
      env: ['PATH=/usr/bin:/bin', 'HOME=/tmp'],
      cwd: source,
      noNewPrivileges: true,
      capabilities: { bounding: none, effective: none, inheritable: none, permitted: none, ambient: none },
    },
    root: { path: 'rootfs', readonly: true },
    mounts: [
      { type: 'proc', source: 'proc', destination: '/proc' },
      { type: 'tmpfs', source: 'tmpfs', destination: '/dev', options: ['nosuid', 'mode=755'] },
      writable('/dev/shm'),
      writable('/tmp'),
      ...['/usr', '/etc', ...programs].map(readOnly),
    ],
    linux: {
      namespaces: ['pid', 'ipc', 'mount', 'uts', 'network'].map((type) => ({ type })),
      maskedPaths: ['/proc/kcore', '/proc/keys'],
      readonlyPaths: ['/proc/sys'],
      seccomp,
    },
  };
}

it('shuts pages in under the profile of the image', async () => {
  expect(await sandboxUnder(profile)).toEqual({
    title: 'in the sandbox',
    // The container's, that of the process which forks renderers, and one of the renderer alone.
    pidNamespaces: 3,
    // The container's, and Chromium's own for processes that run scripts.
    seccompFilters: 2,
  });
});

it('is known to be refused where processes may not make namespaces, as under the usual profile', async () => {
  const makesNamespaces = ['clone', 'unshare'];
  const allNamespaces = 0x7e_02_00_00;
  const usual = profile.syscalls.map((rule) =>
    rule.names.some((name) => makesNamespaces.includes(name))
      ? { ...rule, args: [{ index: 0, value: allNamespaces, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }] }
      : rule,
  );
  expect(await sandboxUnder({ ...profile, syscalls: usual })).toEqual({
    trouble: "the node refuses the namespaces that Chromium's sandbox is made of",
  });
});
