// What the operator does for the gateway: its login, its certificate, and what the pods of a run need to trust it.
import type { Secret } from '../../kube/builtin-types.ts';
import { KubeError } from '../../kube/kube-error.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { keepGatewayCertificate } from './gateway-certificate.ts';
import { readSecret, writeSecret } from './gateway-secret.ts';

/** Where the gateway's certificate comes from; `Off`: it speaks plain HTTP, behind a mesh that encrypts. */
export type GatewayTls =
  | { readonly source: 'Managed' | 'Existing'; readonly secretName: string }
  | { readonly source: 'Off' };

export type GatewaySettings = {
  /** Where workers reach it, an origin: `https://trawler-gateway.trawler-system.svc:8443`. */
  readonly url: string;
  readonly tls: GatewayTls;
  /** The Secret whose key `url` is the gateway's way into the database. */
  readonly loginSecretName: string;
  /** The same for the API server, where there is one. */
  readonly serverLoginSecretName?: string;
};

export type GatewayOptions = {
  readonly secrets: ResourceClient<Secret>;
  /** The operator's own, and the gateway's. */
  readonly namespace: string;
  readonly settings: GatewaySettings;
  /** The database as the gateway reaches it, login included. */
  readonly databaseUrl: (signal: AbortSignal) => Promise<string>;
  /** The same for the API server. */
  readonly serverDatabaseUrl: (signal: AbortSignal) => Promise<string>;
  readonly now: () => Date;
  readonly logger: Logger;
};

/** What a worker trusts, PEM; without it public authorities count. Or why that is not known now. */
export type GatewayTrust = { readonly authority?: string } | { readonly trouble: string };

export type Gateway = {
  trust(signal: AbortSignal): Promise<GatewayTrust>;
  /** Looks after the certificate. Idempotent, as all reconciles. */
  keepCertificate(signal: AbortSignal): Promise<ReconcileResult>;
  /** Looks after the login; only with a database that is prepared. */
  keepLogin(signal: AbortSignal): Promise<ReconcileResult>;
};

/** A Secret that somebody deleted or changed is noticed within this time. */
const LOOK_AGAIN_MS = 30_000;

export function createGateway(options: GatewayOptions): Gateway {
  const { secrets, namespace, settings, databaseUrl, serverDatabaseUrl, now, logger } = options;
  let known: GatewayTrust | undefined;
  let keeping: Promise<ReconcileResult> | undefined;

  /** Once for all that ask at the same time, as the runs of a new installation do. */
  function keepCertificate(signal: AbortSignal): Promise<ReconcileResult> {
    keeping ??= lookAfterCertificate(signal).finally(() => {
      keeping = undefined;
    });
    return keeping;
  }

  async function lookAfterCertificate(signal: AbortSignal): Promise<ReconcileResult> {
    const { tls } = settings;
    if (tls.source === 'Off') {
      known = {};
      return {};
    }
    const ref = { namespace, name: tls.secretName };
    if (tls.source === 'Managed') {
      const names = certificateNames(settings.url);
      const { authority, until } = await keepGatewayCertificate({ secrets, ref, names, now, logger }, signal);
      known = { authority };
      return { requeueAfterMs: Math.min(LOOK_AGAIN_MS, Math.max(0, until.getTime() - now().getTime())) };
    }
    const { secret, data } = await readSecret(secrets, ref, signal);
    if (secret === undefined) {
      known = { trouble: `the Secret ${namespace}/${tls.secretName} with the gateway's certificate does not exist` };
    } else {
      known = data['ca.crt'] ? { authority: data['ca.crt'] } : {};
    }
    return { requeueAfterMs: LOOK_AGAIN_MS };
  }

  async function trust(signal: AbortSignal): Promise<GatewayTrust> {
    if (known === undefined || 'trouble' in known) {
      try {
        await keepCertificate(signal);
      } catch (error) {
        if (!(error instanceof KubeError)) throw error;
        return { trouble: `the gateway's certificate cannot be looked after: ${error.message}` };
      }
    }
    return known ?? { trouble: "the gateway's certificate is not known yet" };
  }

  async function keepLogin(signal: AbortSignal): Promise<ReconcileResult> {
    const { loginSecretName, serverLoginSecretName } = settings;
    await writeLogin('gateway', loginSecretName, databaseUrl, signal);
    if (serverLoginSecretName !== undefined) {
      await writeLogin('API server', serverLoginSecretName, serverDatabaseUrl, signal);
    }
    return { requeueAfterMs: LOOK_AGAIN_MS };
  }

  async function writeLogin(
    whose: string,
    name: string,
    url: (signal: AbortSignal) => Promise<string>,
    signal: AbortSignal,
  ): Promise<void> {
    const ref = { namespace, name };
    const read = await readSecret(secrets, ref, signal);
    const written = await writeSecret(secrets, ref, read, { url: await url(signal) }, signal);
    if (written) logger.info({ secret: name }, `login of the ${whose} written`);
  }

  return { trust, keepCertificate, keepLogin };
}

/**
 * The names in the gateway's certificate: the host of its URL and, where that is a Service, the shorter names that mean it
 * within the cluster; `localhost` for whoever forwards a port to it.
 */
export function certificateNames(url: string): string[] {
  const { hostname } = new URL(url);
  const [service, namespace, svc] = hostname.split('.');
  const short = svc === 'svc' ? [`${service}.${namespace}.svc`, `${service}.${namespace}`] : [];
  return [...new Set([hostname, ...short, 'localhost'])];
}
