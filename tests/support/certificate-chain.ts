// A chain of three certificates as authorities make them: root, intermediate, server.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

/** All in PEM. */
export type CertificateChain = {
  readonly root: string;
  readonly intermediate: string;
  readonly server: string;
  /** Of the server. */
  readonly key: string;
};

/** For localhost and 127.0.0.1, valid for ten days. */
export async function createCertificateChain(): Promise<CertificateChain> {
  const folder = await mkdtemp(join(tmpdir(), 'trawler-chain-'));
  const openssl = (...parameters: readonly string[]) => execa('openssl', parameters, { cwd: folder });
  const extensions = {
    intermediate: 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n',
    server: 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n',
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  async function signed(name: keyof typeof extensions, by: string): Promise<void> {
    await openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    await writeFile(join(folder, `${name}.ext`), extensions[name]);
    const authority = ['-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial'];
    const files = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-extfile', `${name}.ext`];
    await openssl('x509', '-req', '-days', '10', ...authority, ...files);
  }
  try {
    await openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      'root.key',
      '-out',
      'root.pem',
      '-subj',
      '/CN=root',
      '-days',
      '10',
    );
    await signed('intermediate', 'root');
    await signed('server', 'intermediate');
    const read = (name: string) => readFile(join(folder, name), 'utf8');
    const [root, intermediate, server] = await Promise.all(['root.pem', 'intermediate.pem', 'server.pem'].map(read));
    return { root: root ?? '', intermediate: intermediate ?? '', server: server ?? '', key: await read('server.key') };
  } finally {
    await rm(folder, { recursive: true });
  }
}
