// Tokens for tools outside of the cluster: each a key of one Secret, which holds a hash, a role, namespaces and an end.
import { z } from 'zod';
import { SECRETS, type Secret } from '../../kube/builtin-types.ts';
import type { KubeApi } from '../../kube/client.ts';
import { delay } from '../../kube/delay.ts';
import { isConflict } from '../../kube/kube-error.ts';
import type { NamespacedObject } from '../../kube/kube-object.ts';
import { ProblemError } from '../http/problem.ts';
import type { Identity } from './identity.ts';
import { TOKEN_ROLES } from './token-roles.ts';
import { isSecretOf, newToken, parseToken } from './token-text.ts';

const record = z.object({
  hash: z.string(),
  role: z.enum(TOKEN_ROLES),
  /** Absent: all of them. */
  namespaces: z.array(z.string()).optional(),
  expiresAt: z.iso.datetime(),
  createdAt: z.iso.datetime(),
  createdBy: z.string(),
});
export type TokenRecord = z.output<typeof record>;

export type NamedToken = { readonly name: string } & Omit<TokenRecord, 'hash'>;

/** Every call rejects with a KubeError, and with a ProblemError where there is no Secret for tokens. */
export type NamedTokens = {
  /** Undefined for a token that was never given, was revoked or is over. */
  identify(token: string): Promise<Identity | undefined>;
  list(signal: AbortSignal): Promise<readonly NamedToken[]>;
  /** The token itself, which nobody can read again. Throws a Conflict for a name that is taken. */
  create(token: NamedToken, signal: AbortSignal): Promise<string>;
  /** False where there is none of that name. */
  revoke(name: string, signal: AbortSignal): Promise<boolean>;
  /** The object that tokens are kept in, for what is told of it; without its data. */
  holder(signal: AbortSignal): Promise<NamespacedObject>;
};

/** A token that was revoked is good for so long at most. */
const FRESH_MS = 5_000;
const READ_TIMEOUT_MS = 5_000;
const TRIES = 5;

type NamedTokensOptions = {
  readonly api: KubeApi;
  /** Where the Secret is. */
  readonly ref: { readonly namespace: string; readonly name: string };
  readonly now: () => Date;
  readonly freshMs?: number;
};

export function createNamedTokens({ api, ref, now, freshMs = FRESH_MS }: NamedTokensOptions): NamedTokens {
  const secrets = api.resource<Secret>(SECRETS);
  let known: { readonly until: number; readonly records: Promise<ReadonlyMap<string, TokenRecord>> } | undefined;

  async function read(signal: AbortSignal): Promise<Secret> {
    const secret = await secrets.get(ref, { signal });
    if (secret !== undefined) return secret;
    throw new ProblemError('Unavailable', `there is no Secret "${ref.name}" in "${ref.namespace}" to keep tokens in`);
  }

  /** As they were read some seconds ago at most. */
  function recent(): Promise<ReadonlyMap<string, TokenRecord>> {
    if (known !== undefined && known.until > performance.now()) return known.records;
    const records = secrets
      .get(ref, { signal: AbortSignal.timeout(READ_TIMEOUT_MS) })
      .then((secret) => recordsOf(secret?.data ?? {}));
    known = { until: performance.now() + freshMs, records };
    records.catch(() => {
      known = undefined;
    });
    return records;
  }

  /** Writes one key, as long as nobody has changed the Secret since it was looked at. */
  async function write(
    name: string,
    valueFor: (records: ReadonlyMap<string, TokenRecord>) => string | null | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    for (let tries = 1; ; tries += 1) {
      const { metadata, data = {} } = await read(signal);
      const value = valueFor(recordsOf(data));
      if (value === undefined) return false;
      const body = { metadata: { resourceVersion: metadata.resourceVersion }, data: { [name]: value } };
      try {
        await secrets.patch(ref, { type: 'merge', body }, { signal });
        known = undefined;
        return true;
      } catch (error) {
        if (!isConflict(error) || tries === TRIES) throw error;
        await delay(50 * tries * Math.random(), signal);
      }
    }
  }

  return {
    async identify(token) {
      const parsed = parseToken(token);
      if (parsed === undefined) return undefined;
      const found = (await recent()).get(parsed.name);
      if (found === undefined || !isSecretOf(found.hash, parsed.secret)) return undefined;
      if (Date.parse(found.expiresAt) <= now().getTime()) return undefined;
      const { role, namespaces } = found;
      // No colon is in names of people's accounts that a system would not have given.
      const username = `trawler.dev:token:${parsed.name}`;
      return { username, groups: ['trawler.dev:tokens'], extra: {}, grant: { role, namespaces } };
    },
    async list(signal) {
      const records = [...recordsOf((await read(signal)).data ?? {})];
      return records.map(([name, { hash: _, ...rest }]) => ({ name, ...rest }));
    },
    async create({ name, ...rest }, signal) {
      const { token, hash } = newToken(name);
      const value = Buffer.from(JSON.stringify({ hash, ...rest })).toString('base64');
      const isFree = await write(name, (records) => (records.has(name) ? undefined : value), signal);
      if (!isFree) throw new ProblemError('Conflict', `there is a token "${name}" already: revoke it first`);
      return token;
    },
    revoke: (name, signal) => write(name, (records) => (records.has(name) ? null : undefined), signal),
    async holder(signal) {
      const { apiVersion, kind, metadata } = await read(signal);
      return { apiVersion, kind, metadata: { ...metadata, namespace: ref.namespace } };
    },
  };
}

/** What is no token of ours is left out. */
function recordsOf(data: Readonly<Record<string, string>>): ReadonlyMap<string, TokenRecord> {
  return new Map(
    Object.entries(data).flatMap(([name, value]) => {
      const parsed = record.safeParse(jsonOf(Buffer.from(value, 'base64').toString('utf8')));
      return parsed.success ? [[name, parsed.data] as const] : [];
    }),
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
