// The Secrets with the gateway's certificates: made when they are missing, renewed in time.
import type { Secret } from '../../kube/builtin-types.ts';
import { isAlreadyExists, isConflict } from '../../kube/kube-error.ts';
import type { ObjectRef } from '../../kube/kube-object.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { readCertificates, renewCertificates, writeCertificates } from './certificates.ts';
import { readSecret, writeSecret } from './gateway-secret.ts';

export type GatewayCertificateOptions = {
  readonly secrets: ResourceClient<Secret>;
  /** Of the Secret that the gateway mounts. */
  readonly ref: ObjectRef;
  /** The DNS names at which the gateway is reached. */
  readonly names: readonly string[];
  readonly now: () => Date;
  readonly logger: Logger;
};

type Kept = { readonly authority: string; readonly until: Date };

/** Another operator may write at the same time, and what it has written is as good. */
const ATTEMPTS = 3;

/** The Secret of the authorities' keys, which no pod mounts. The chart grants it by this name. */
export function authoritySecretName(servingSecretName: string): string {
  return `${servingSecretName}-authority`;
}

/** Does what is due. Resolves with what pods have to trust (PEM), and with the time until which nothing is to be done. */
export async function keepGatewayCertificate(options: GatewayCertificateOptions, signal: AbortSignal): Promise<Kept> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await renewWhatIsDue(options, signal);
    } catch (error) {
      const isLate = isAlreadyExists(error) || isConflict(error);
      if (!isLate || attempt === ATTEMPTS) throw error;
    }
  }
}

/** The authorities are written first: a certificate is never served whose authority could be lost. */
async function renewWhatIsDue(
  { secrets, ref, names, now, logger }: GatewayCertificateOptions,
  signal: AbortSignal,
): Promise<Kept> {
  const authorityRef = { ...ref, name: authoritySecretName(ref.name) };
  const [serving, authority] = [
    await readSecret(secrets, ref, signal),
    await readSecret(secrets, authorityRef, signal),
  ];
  const held = readCertificates(serving.data, authority.data);
  const { certificates, done, until } = await renewCertificates(held, names, now());
  const wanted = writeCertificates(certificates);
  const isKept = await writeSecret(secrets, authorityRef, authority, wanted.authority, signal);
  const isServed = await writeSecret(secrets, ref, serving, { ...wanted.serving, 'ca.key': undefined }, signal);
  if (isKept || isServed) logger.info({ secret: ref.name, done, until }, 'certificates of the gateway written');
  return { authority: wanted.serving['ca.crt'], until };
}
