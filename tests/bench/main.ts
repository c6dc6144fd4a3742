// `npm run bench -- NAME [--json]`: runs one measurement; the last line of its output is one JSON object.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const names = ['crawl', 'frontier', 'gateway', 'schedules', 'runs', 'api', 'startup', 'soak'];
const [name = '', ...rest] = process.argv.slice(2);
const path = join(import.meta.dirname, `${name}.ts`);

if (!names.includes(name)) {
  console.error(`usage: npm run bench -- ${names.join('|')} [--json]`);
  process.exitCode = 64;
} else if (!existsSync(path)) {
  console.error(`there is no measurement of ${name} yet`);
  process.exitCode = 69;
} else {
  const { status, signal } = spawnSync(process.execPath, [path, ...rest], { stdio: 'inherit' });
  process.exitCode = signal ? 1 : (status ?? 1);
}
