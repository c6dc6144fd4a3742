// Certificates that Chromium trusts besides its own list: on Linux it looks for them in an NSS database of its home folder.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export type CertificateStore = {
  /** What HOME is to be for a browser that trusts the certificates. */
  readonly home: string;
  readonly close: () => Promise<void>;
};

/**
 * Needs `certutil` (libnss3-tools). Trusted are authorities ("C") and, where servers show them, certificates of their own ("P").
 * @param certificates in PEM, one text each
 */
export async function createCertificateStore(certificates: readonly string[]): Promise<CertificateStore> {
  const home = await mkdtemp(join(tmpdir(), 'trawler-browser-'));
  const close = () => rm(home, { recursive: true, force: true });
  try {
    const folder = join(home, '.pki', 'nssdb');
    await mkdir(folder, { recursive: true });
    const database = ['-d', `sql:${folder}`];
    await run('certutil', ['-N', ...database, '--empty-password']);
    for (const [index, certificate] of certificates.entries()) {
      const file = join(home, `${index}.pem`);
      await writeFile(file, certificate);
      await run('certutil', ['-A', ...database, '-n', `added ${index}`, '-t', 'CP,,', '-i', file]);
    }
    return { home, close };
  } catch (error) {
    await close();
    throw error;
  }
}
