// Preloaded into a worker: its volume takes 64 KiB and then does not answer any more. The files that it writes its output to are
// pipes that nobody reads, so that a write really blocks in the kernel.
import { execFileSync } from 'node:child_process';
import { constants } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const { open } = fs;
fs.open = async (path, flags, mode) => {
  if (!String(path).endsWith('.part')) return open(path, flags, mode);
  execFileSync('mkfifo', [String(path)]);
  return open(path, constants.O_RDWR);
};
syncBuiltinESMExports();
