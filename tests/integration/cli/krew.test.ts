// Krew itself installs the plugin from the archive and the manifest that the build makes, and kubectl finds it.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kubectlPlugin } from '../../../dev/build.ts';
import { compileGo } from '../../../dev/go-programs.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';

const COMPILE_TIMEOUT_MS = 600_000;
let folder: string;
let krew: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trawler-krew-'));
  const onCompile = () => console.log('compiling Krew (only the first time)');
  const programs = { folder: 'krew', packages: ['sigs.k8s.io/krew/cmd/krew'] };
  krew = join(await compileGo(programs, onCompile, AbortSignal.timeout(COMPILE_TIMEOUT_MS)), 'krew');
  await kubectlPlugin(join(folder, 'cli'));
}, COMPILE_TIMEOUT_MS);
afterAll(() => rm(folder, { recursive: true }));

test('Krew installs what the build has packed, and kubectl runs it', async () => {
  const built = (name: string) => join(folder, 'cli', name);
  const root = join(folder, 'krew');
  const env = { KREW_ROOT: root, KREW_NO_UPGRADE_CHECK: '1', PATH: `${join(root, 'bin')}:${process.env['PATH']}` };
  const files = [`--manifest=${built('trawler.yaml')}`, `--archive=${built('kubectl-trawler.tar.gz')}`];
  const installed = await execa(krew, ['install', ...files], { env, all: true, reject: false });
  expect(installed.all).toContain('Installed plugin: trawler');
  const { stdout } = await execa(binary('kubectl'), ['trawler', '--help'], { env });
  expect(stdout).toContain('describe <run-or-schedule>');
});

test('the same files give the same archive', async () => {
  await kubectlPlugin(join(folder, 'again'));
  const [first, second] = await Promise.all(
    ['cli', 'again'].map((name) => readFile(join(folder, name, 'kubectl-trawler.tar.gz'))),
  );
  expect(first?.equals(second ?? Buffer.alloc(0))).toBe(true);
});
