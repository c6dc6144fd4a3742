// Which certificates of servers are trusted: the public authorities', those that the user adds, or any.
import { X509Certificate } from 'node:crypto';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

export type TlsTrust = {
  /** Certificates in PEM that are trusted besides those of public authorities. */
  readonly certificates: readonly string[];
  /** False: whatever a server shows is taken. */
  readonly verify: boolean;
};

/** What holds where a run says nothing. */
export const PUBLIC_TRUST: TlsTrust = { certificates: [], verify: true };

/** How connections are made: an empty object where nothing differs from Node's defaults. */
export type TlsOptions = {
  readonly secureContext?: SecureContext;
  readonly rejectUnauthorized?: boolean;
};

export class CertificatesError extends Error {
  override readonly name = 'CertificatesError';
}

/** The certificates of a PEM file, one text each. Throws a CertificatesError when there is none, or one cannot be read. */
export function parseCertificates(pem: string): readonly string[] {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  if (certificates.length === 0) throw new CertificatesError('there is no certificate in PEM in it');
  for (const certificate of certificates) {
    try {
      new X509Certificate(certificate);
    } catch (error) {
      throw new CertificatesError(`a certificate cannot be read: ${error instanceof Error ? error.message : error}`);
    }
  }
  return certificates;
}

/**
 * One context for all connections: each of its own would parse every public authority's certificate again. An
 * intermediate certificate that servers forget to send, or a server's own, may be among those that are added.
 */
export function tlsOptions({ certificates, verify }: TlsTrust): TlsOptions {
  if (!verify) return { rejectUnauthorized: false };
  if (certificates.length === 0) return {};
  const ca = [...getCACertificates(), ...certificates];
  return { secureContext: createSecureContext({ ca, allowPartialTrustChain: true }) };
}
