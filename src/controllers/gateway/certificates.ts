// The gateway's certificates as two Secrets hold them: read, brought up to date, written back.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { certificateStep, type HeldCertificates, SERVING_DAYS, type Validity } from './certificate-step.ts';
import type { KeyPair } from './issue-certificate.ts';

/** The key is absent where it is lost. */
export type Authority = Omit<KeyPair, 'key'> & { readonly key?: string };

/** What the gateway serves with, and the authorities that pods trust, the oldest first. */
export type Certificates = { readonly authorities: readonly Authority[]; readonly serving?: KeyPair };

/** Keys of the Secret that the gateway mounts; `ca.crt` holds one block of PEM for each authority. */
export type ServingData = { readonly 'tls.crt': string; readonly 'tls.key': string; readonly 'ca.crt': string };

/** Keys of the operator's Secret, from which another certificate can be made: one block of PEM for each authority. */
export type AuthorityData = { readonly 'ca.crt': string; readonly 'ca.key': string };

type Data = Readonly<Record<string, string>>;

export type Renewal = {
  readonly certificates: Certificates & { readonly serving: KeyPair };
  /** What was done, for the log; empty when all is as it should be. */
  readonly done: readonly ('AuthorityAdded' | 'AuthorityDropped' | 'ServingRenewed')[];
  /** Nothing is to be done before. */
  readonly until: Date;
};

const SERVING_MS = SERVING_DAYS * 86_400_000;

/** Loaded when something has to be issued, every two months: the library takes 4 MB and a fifth of a second. */
const issuing = () => import('./issue-certificate.ts');

/** Everything that is due at this time. What cannot be read is made anew. */
export async function renewCertificates(
  held: Certificates,
  names: readonly string[],
  now: Date,
  done: Renewal['done'] = [],
): Promise<Renewal> {
  const { authorities, serving } = held;
  const step = certificateStep(describe(held), names, SERVING_MS, now);
  switch (step.type) {
    case 'DropAuthorities': {
      const kept = step.kept.flatMap((index) => authorities[index] ?? []);
      return renewCertificates({ ...held, authorities: kept }, names, now, [...done, 'AuthorityDropped']);
    }
    case 'AddAuthority': {
      const { issueAuthority } = await issuing();
      const added = [...authorities, await issueAuthority(now)];
      return renewCertificates({ ...held, authorities: added }, names, now, [...done, 'AuthorityAdded']);
    }
    case 'RenewServing': {
      const { certificate, key } = authorities[step.authority] ?? {};
      if (certificate === undefined || key === undefined) throw new Error('there is no authority to sign with');
      const { issueServing } = await issuing();
      const renewed = { authorities, serving: await issueServing({ certificate, key }, names, now) };
      return renewCertificates(renewed, names, now, [...done, 'ServingRenewed']);
    }
    case 'Keep':
      if (serving === undefined) throw new Error('there is no certificate to keep');
      return { certificates: { authorities, serving }, done, until: step.until };
  }
}

/** Of the data of the Secrets, decoded; what is missing or broken is left out. A key in either Secret counts. */
export function readCertificates(serving: Data, authority: Data): Certificates {
  const keys = [authority, serving].flatMap((data) => blocks(data['ca.key'], 'PRIVATE KEY'));
  const found = [authority, serving].flatMap((data) => blocks(data['ca.crt'], 'CERTIFICATE'));
  const authorities = [...new Set(found)].filter(isCertificate).map((certificate): Authority => {
    const key = keys.find((one) => isPair({ certificate, key: one }));
    return key === undefined ? { certificate } : { certificate, key };
  });
  const [certificate] = blocks(serving['tls.crt'], 'CERTIFICATE');
  const [key] = blocks(serving['tls.key'], 'PRIVATE KEY');
  const hasServing = certificate !== undefined && key !== undefined && isPair({ certificate, key });
  return {
    authorities: authorities.toSorted((a, b) => validityOf(a).notBefore.getTime() - validityOf(b).notBefore.getTime()),
    ...(hasServing ? { serving: { certificate, key } } : {}),
  };
}

/** What pods trust is all authorities; another certificate can be signed by those whose keys are there. */
export function writeCertificates({ authorities, serving }: Renewal['certificates']): {
  readonly serving: ServingData;
  readonly authority: AuthorityData;
} {
  const signing = authorities.filter(({ key }) => key !== undefined);
  return {
    serving: {
      'tls.crt': serving.certificate,
      'tls.key': serving.key,
      'ca.crt': authorities.map(({ certificate }) => certificate).join(''),
    },
    authority: {
      'ca.crt': signing.map(({ certificate }) => certificate).join(''),
      'ca.key': signing.map(({ key }) => key).join(''),
    },
  };
}

function describe({ authorities, serving }: Certificates): HeldCertificates {
  const described = authorities.map((one) => ({ ...validityOf(one), canSign: one.key !== undefined }));
  if (serving === undefined) return { authorities: described };
  const certificate = new X509Certificate(serving.certificate);
  const signedBy = authorities.findIndex((authority) =>
    certificate.verify(new X509Certificate(authority.certificate).publicKey),
  );
  return {
    authorities: described,
    serving: {
      ...validityOf(serving),
      names: (certificate.subjectAltName ?? '').split(', ').map((name) => name.replace(/^DNS:/, '')),
      signedBy: signedBy < 0 ? undefined : signedBy,
    },
  };
}

function validityOf({ certificate }: Authority): Validity {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  return { notBefore: validFromDate, notAfter: validToDate };
}

/** The blocks of PEM with this label, each with a line feed at its end. */
function blocks(text: string | undefined, label: string): string[] {
  const block = new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`, 'g');
  return [...(text ?? '').matchAll(block)].map(([found]) => `${found}\n`);
}

function isCertificate(text: string): boolean {
  try {
    new X509Certificate(text);
    return true;
  } catch {
    return false;
  }
}

function isPair({ certificate, key }: KeyPair): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false; // not a certificate, or not a key
  }
}
