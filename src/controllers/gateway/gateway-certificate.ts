// The Secret with the gateway's certificates: made when it is missing, renewed in time.
import type { Secret } from '../../kube/builtin-types.ts';
import type { ObjectRef } from '../../kube/kube-object.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { readCertificates, renewCertificates, writeCertificates } from './certificates.ts';
import { readSecret, writeSecret } from './gateway-secret.ts';

export type GatewayCertificateOptions = {
  readonly secrets: ResourceClient<Secret>;
  readonly ref: ObjectRef;
  /** The DNS names at which the gateway is reached. */
  readonly names: readonly string[];
  readonly now: () => Date;
  readonly logger: Logger;
};

/** Does what is due. Resolves with what pods have to trust (PEM), and with the time until which nothing is to be done. */
export async function keepGatewayCertificate(
  { secrets, ref, names, now, logger }: GatewayCertificateOptions,
  signal: AbortSignal,
): Promise<{ readonly authority: string; readonly until: Date }> {
  const read = await readSecret(secrets, ref, signal);
  const { certificates, done, until } = await renewCertificates(readCertificates(read.data), names, now());
  const data = writeCertificates(certificates);
  const written = await writeSecret(secrets, ref, read, data, signal);
  if (written) logger.info({ secret: ref.name, done, until }, 'certificates of the gateway renewed');
  return { authority: data['ca.crt'], until };
}
