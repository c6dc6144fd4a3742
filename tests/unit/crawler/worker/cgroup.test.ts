// What control groups say, as the kernel's two versions write it.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { findMemoryLimit, readCpu, readMainThreadWait, readStalls } from '#src/crawler/worker/cgroup.ts';

function withFiles<T>(files: Record<string, string>, use: (root: string) => T): T {
  const root = mkdtempSync(join(tmpdir(), 'trawler-cgroup-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return use(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

const VERSION_2 = {
  'memory.max': '1000\n',
  'memory.current': '700\n',
  'memory.stat': 'anon 400\nfile 300\ninactive_file 100\n',
};
const VERSION_1 = {
  'memory.limit_in_bytes': '1000\n',
  'memory.usage_in_bytes': '700\n',
  'memory.stat': 'cache 300\ninactive_file 7\ntotal_inactive_file 100\n',
};
const at = (folder: string, files: Record<string, string>) =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text]));

it.each([
  ['version 2, in a container', { 'proc/self/cgroup': '0::/\n', ...at('sys/fs/cgroup', VERSION_2) }],
  [
    'version 2, in a hierarchy that is seen whole',
    { 'proc/self/cgroup': '0::/kubepods/pod1\n', ...at('sys/fs/cgroup/kubepods/pod1', VERSION_2) },
  ],
  [
    'version 1, in a container that sees its own group at the top',
    { 'proc/self/cgroup': '4:memory:/kubepods/pod1\n0::/\n', ...at('sys/fs/cgroup/memory', VERSION_1) },
  ],
  [
    'version 1, among other controllers',
    { 'proc/self/cgroup': '5:cpu:/\n4:hugetlb,memory:/a/b\n', ...at('sys/fs/cgroup/memory/a/b', VERSION_1) },
  ],
])('reads %s', (_, files) => {
  expect(withFiles(files, (root) => findMemoryLimit(root)?.read())).toEqual({ limit: 1_000, used: 600 });
});

it.each([
  ['no control group', {}],
  ['no limit, version 2', at('sys/fs/cgroup', { ...VERSION_2, 'memory.max': 'max\n' })],
  [
    'no limit, version 1',
    at('sys/fs/cgroup/memory', { ...VERSION_1, 'memory.limit_in_bytes': '9223372036854771712\n' }),
  ],
])('says nothing where there is %s', (_, files) => {
  expect(withFiles(files as Record<string, string>, findMemoryLimit)).toBeUndefined();
});

it.each([
  [
    'version 2',
    at('sys/fs/cgroup', { 'cpu.max': '50000 100000\n', 'cpu.stat': 'usage_usec 1500\n' }),
    { limit: 0.5, usedMs: 1.5 },
  ],
  [
    'version 2, without a limit',
    at('sys/fs/cgroup', { 'cpu.max': 'max 100000\n', 'cpu.stat': 'usage_usec 1500\n' }),
    { usedMs: 1.5 },
  ],
  ['the whole machine, version 2', at('sys/fs/cgroup', { 'cpu.stat': 'usage_usec 1500\n' }), {}],
  [
    'version 1',
    {
      'proc/self/cgroup': '5:cpuacct:/pod\n4:cpu:/pod\n0::/\n',
      ...at('sys/fs/cgroup/cpu/pod', { 'cpu.cfs_quota_us': '150000\n', 'cpu.cfs_period_us': '100000\n' }),
      ...at('sys/fs/cgroup/cpuacct/pod', { 'cpuacct.usage': '1500000\n' }),
    },
    { limit: 1.5, usedMs: 1.5 },
  ],
  [
    'version 1, both in one, without a limit',
    {
      'proc/self/cgroup': '4:cpu,cpuacct:/\n',
      ...at('sys/fs/cgroup/cpu', { 'cpu.cfs_quota_us': '-1\n', 'cpu.cfs_period_us': '100000\n' }),
      ...at('sys/fs/cgroup/cpuacct', { 'cpuacct.usage': '1500000\n' }),
    },
    {},
  ],
  ['nobody who counts', {}, {}],
])('reads processors of %s', (_, files, expected) => {
  expect(withFiles(files as Record<string, string>, readCpu)).toEqual(expected);
});

const PRESSURE = (some: number, full: number) =>
  `some avg10=0.00 avg60=0.00 avg300=0.00 total=${some}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=${full}\n`;

it.each([
  ['of the group', { 'proc/self/cgroup': '0::/pod\n', 'sys/fs/cgroup/pod/cpu.pressure': PRESSURE(3_000, 2_000) }, 3, 2],
  ['of the machine, where groups have none', { 'proc/pressure/cpu': PRESSURE(7_000, 0) }, 7, 0],
  ['nowhere', {}, 0, 0],
])('reads stalls %s', (_, files, some, full) => {
  const read = (root: string) => [readStalls('cpu', 'some', root), readStalls('cpu', 'full', root)];
  expect(withFiles(files as Record<string, string>, read)).toEqual([some, full]);
});

it("reads the main thread's wait", () => {
  expect(withFiles({ 'proc/self/schedstat': '9000000 4500000 12\n' }, readMainThreadWait)).toBe(4.5);
  expect(withFiles({}, readMainThreadWait)).toBe(0);
});
