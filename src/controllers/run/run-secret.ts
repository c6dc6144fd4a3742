// The Secret of a run: the token that opens its rows, and where Postgres is. Made once, read again, never listed.

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

/** How the run's pods reach Postgres. */
export type DatabaseAccess = {
  readonly databaseUrl: string;
  /** PEM of the authority that signed its certificate. */
  readonly ca?: string;
};

/** Creates the Secret or reads the one that an earlier attempt made. A Secret of somebody else is left alone. */
export async function ensureRunSecret(
  secrets: ResourceClient<Secret>,
  run: CrawlRun,
  access: DatabaseAccess,
  signal: AbortSignal,
): Promise<RunSecret> {
  const ref = { namespace: run.metadata.namespace, name: childName(run.metadata.name) };
  const token = createToken();
  try {
    await secrets.create(
      {
        metadata: { ...ref, labels: runLabels(run), ownerReferences: [controllerReference(run)] },
        type: 'trawler.dev/run-credentials',
        data: {
          token: encode(token),
          'database-url': encode(access.databaseUrl),
          ...(access.ca === undefined ? {} : { 'ca.crt': encode(access.ca) }),
        },
      },
      { signal },
    );
    return { type: 'Ours', token };
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  const existing = await secrets.get(ref, { signal });
  if (existing === undefined) return ensureRunSecret(secrets, run, access, signal);
  const known = existing.data?.['token'];
  if (!isControlledBy(existing, run) || known === undefined) {
    return {
      type: 'Foreign',
      message: `a Secret named ${ref.name} that is not of this run is in the way: delete or rename it`,
    };
  }
  return { type: 'Ours', token: Buffer.from(known, 'base64').toString('utf8') };
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
