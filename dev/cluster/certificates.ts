// Certificates and kubeconfigs of a control plane, issued once by kubeadm into one folder.
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { stringify } from 'yaml';
import { binary, kubernetesVersion } from '../setup/kubernetes-binaries.mjs';
import { serviceSubnet } from './addresses.ts';

/** Who the certificates are for. */
export interface CertificateSubject {
  /** Address that pods and the kubelet reach the API server at. */
  advertiseAddress: string;
  /** Port of the API server, on `advertiseAddress` and on 127.0.0.1. */
  port: number;
  /** Name and address of the only node. */
  nodeName: string;
}

/**
 * Fills `directory` with `pki/` (all key pairs) and one kubeconfig per component: `super-admin.conf`,
 * `controller-manager.conf`, `scheduler.conf`, `kubelet.conf`. Does nothing when the folder exists: it is renamed
 * into place when complete, so a crash in the middle leaves no half of it.
 */
export async function issueCertificates(directory: string, subject: CertificateSubject): Promise<void> {
  if (existsSync(directory)) return;
  const unfinished = `${directory}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  const pki = join(unfinished, 'pki');
  await mkdir(pki, { recursive: true });

  const configPath = join(unfinished, 'kubeadm.yaml');
  await writeFile(configPath, kubeadmConfig(pki, subject));
  const kubeadm = binary('kubeadm');
  const options = { timeout: 60_000, stdin: 'ignore' } as const;
  await execa(kubeadm, ['init', 'phase', 'certs', 'all', '--config', configPath], options);
  await execa(
    kubeadm,
    ['init', 'phase', 'kubeconfig', 'all', '--config', configPath, '--kubeconfig-dir', unfinished],
    options,
  );
  await reachThroughLoopback(unfinished, subject);
  await issueKubeletServingCertificate(pki, subject);
  await rename(unfinished, directory);
}

function kubeadmConfig(pki: string, { advertiseAddress, port, nodeName }: CertificateSubject): string {
  const init = {
    apiVersion: 'kubeadm.k8s.io/v1beta4',
    kind: 'InitConfiguration',
    localAPIEndpoint: { advertiseAddress, bindPort: port },
    // kubeadm looks for a socket when none is named; nothing here opens it.
    nodeRegistration: { name: nodeName, criSocket: 'unix:///run/unused.sock' },
  };
  const cluster = {
    apiVersion: 'kubeadm.k8s.io/v1beta4',
    kind: 'ClusterConfiguration',
    kubernetesVersion,
    certificatesDir: pki,
    controlPlaneEndpoint: `127.0.0.1:${port}`,
    apiServer: { certSANs: ['localhost', '127.0.0.1'] },
    networking: { serviceSubnet },
    // A fraction of a second to generate, where RSA takes several.
    encryptionAlgorithm: 'ECDSA-P256',
  };
  return `${stringify(init)}---\n${stringify(cluster)}`;
}

/** These run beside the API server; the advertised address may lead nowhere (tests) or come up later (the bridge). */
async function reachThroughLoopback(directory: string, { advertiseAddress, port }: CertificateSubject): Promise<void> {
  for (const name of ['controller-manager.conf', 'scheduler.conf', 'kubelet.conf']) {
    const path = join(directory, name);
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace(`https://${advertiseAddress}:${port}`, `https://127.0.0.1:${port}`));
  }
}

/** The API server verifies the kubelet when it fetches logs; kubeadm leaves this certificate to the kubelet itself. */
async function issueKubeletServingCertificate(pki: string, subject: CertificateSubject): Promise<void> {
  const { nodeName, advertiseAddress } = subject;
  const openssl = (...args: string[]) => execa('openssl', args, { cwd: pki, timeout: 30_000, stdin: 'ignore' });
  const names = `subjectAltName=DNS:${nodeName},IP:${advertiseAddress}`;
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'kubelet.key'];
  await openssl('req', '-new', ...key, '-out', 'kubelet.csr', '-subj', `/CN=${nodeName}`, '-addext', names);
  const authority = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '365'];
  await openssl('x509', '-req', '-in', 'kubelet.csr', ...authority, '-copy_extensions', 'copy', '-out', 'kubelet.crt');
}
