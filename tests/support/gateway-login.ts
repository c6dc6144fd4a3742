// How the gateway of a test's operator would reach the database: what the operator has written into the Secret for it.
import { vi } from 'vitest';
import { SECRETS, type Secret } from '#src/kube/builtin-types.ts';
import { connect, GATEWAY } from './running-operator.ts';

/** Waits until it names the same database as the owner's URL: an operator of another test may have written it before. */
export async function gatewayDatabaseUrl(kubeconfigPath: string, ownerUrl: string): Promise<string> {
  const api = connect(kubeconfigPath);
  const ref = { namespace: 'default', name: GATEWAY.loginSecretName };
  try {
    return await vi.waitFor(
      async () => {
        const secret = await api.resource<Secret>(SECRETS).get(ref, { signal: AbortSignal.timeout(5_000) });
        const url = Buffer.from(secret?.data?.['url'] ?? '', 'base64').toString('utf8');
        if (url === '' || new URL(url).pathname !== new URL(ownerUrl).pathname)
          throw new Error('no login is written yet');
        return url;
      },
      { timeout: 60_000, interval: 200 },
    );
  } finally {
    await api.close();
  }
}
