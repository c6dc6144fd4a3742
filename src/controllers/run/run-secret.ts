// The Secret of a run: the token that opens its rows, and whom its pods trust to take it. Never listed.

import type { CrawlRun } from '../../custom-resources/types.ts';
import type { Secret } from '../../kube/builtin-types.ts';
import { isAlreadyExists } from '../../kube/kube-error.ts';
import { controllerReference, isControlledBy } from '../../kube/kube-object.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import { childName } from '../../resources/names.ts';
import { createToken } from '../../store/run-token.ts';
import { runLabels } from './crawl-job.ts';

export type RunSecret =
  | { readonly type: 'Ours'; readonly token: string }
  | { readonly type: 'Foreign'; readonly message: string };

/**
 * Creates the Secret, or reads the one that an earlier attempt made. One that trusts another gateway is made again with its
 * token. A Secret of somebody else is left alone.
 *
 * @param authority PEM of what signed the gateway's certificate; undefined where public authorities count, or for plain HTTP
 */
export async function ensureRunSecret(
  secrets: ResourceClient<Secret>,
  run: CrawlRun,
  authority: string | undefined,
  signal: AbortSignal,
): Promise<RunSecret> {
  const ref = { namespace: run.metadata.namespace, name: childName(run.metadata.name) };
  const token = createToken();
  if (await createSecret(secrets, run, { token, authority }, signal)) return { type: 'Ours', token };
  const existing = await secrets.get(ref, { signal });
  if (existing === undefined) return ensureRunSecret(secrets, run, authority, signal);
  const known = decode(existing.data?.['token']);
  if (!isControlledBy(existing, run) || known === undefined) {
    return {
      type: 'Foreign',
      message: `a Secret named ${ref.name} that is not of this run is in the way: delete or rename it`,
    };
  }
  if (isOutdated(existing, run, authority)) {
    const { uid, resourceVersion } = existing.metadata;
    await secrets.delete(ref, { preconditions: { uid, resourceVersion }, signal });
    const isMade = await createSecret(secrets, run, { token: known, authority }, signal);
    if (!isMade) return ensureRunSecret(secrets, run, authority, signal);
  }
  return { type: 'Ours', token: known };
}

/**
 * Whether its pods could not talk to the gateway with it. Pods of an operator that gave them a login of the database need
 * the Secret as it is.
 */
function isOutdated({ data }: Secret, run: CrawlRun, authority: string | undefined): boolean {
  if (decode(data?.['ca.crt']) === authority) return false;
  return data?.['database-url'] === undefined || run.status?.jobName === undefined;
}

type Credentials = { readonly token: string; readonly authority: string | undefined };

/** False when there is a Secret of this name. */
async function createSecret(
  secrets: ResourceClient<Secret>,
  run: CrawlRun,
  { token, authority }: Credentials,
  signal: AbortSignal,
): Promise<boolean> {
  const { namespace, name } = run.metadata;
  try {
    await secrets.create(
      {
        metadata: {
          namespace,
          name: childName(name),
          labels: runLabels(run),
          ownerReferences: [controllerReference(run)],
        },
        type: 'trawler.dev/run-credentials',
        data: { token: encode(token), ...(authority === undefined ? {} : { 'ca.crt': encode(authority) }) },
      },
      { signal },
    );
    return true;
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    return false;
  }
}

function decode(text: string | undefined): string | undefined {
  return text === undefined ? undefined : Buffer.from(text, 'base64').toString('utf8');
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
