// What is to be done about the gateway's certificates, from what is there and the time. Pure functions.

export const SERVING_DAYS = 90;
export const AUTHORITY_DAYS = 3_650;

export type Validity = { readonly notBefore: Date; readonly notAfter: Date };

/** What the Secrets hold, as far as it can be read. */
export type HeldCertificates = {
  /** The oldest first. Pods trust all of them; one whose key is lost signs nothing more. */
  readonly authorities: readonly (Validity & { readonly canSign: boolean })[];
  readonly serving?: Validity & {
    readonly names: readonly string[];
    /** Which of the authorities has signed it; undefined when it was none of them. */
    readonly signedBy: number | undefined;
  };
};

/**
 * `Keep`: nothing until that time. `AddAuthority`: another authority, which signs nothing yet. `DropAuthorities`: only
 * those are kept. `RenewServing`: another certificate to serve with, signed by that authority.
 */
export type CertificateStep =
  | { readonly type: 'Keep'; readonly until: Date }
  | { readonly type: 'AddAuthority' }
  | { readonly type: 'DropAuthorities'; readonly kept: readonly number[] }
  | { readonly type: 'RenewServing'; readonly authority: number };

/** A certificate is renewed when this part of its life is over, so that there is time for whatever is in the way. */
const RENEWED_AT = 2 / 3;

/**
 * The next step. What a pod trusts was written down when its run began, so an authority is trusted for years before it signs
 * anything: the oldest one signs for as long as it outlives what it signs.
 *
 * @param names what the serving certificate has to be for
 * @param servingMs how long a serving certificate is valid
 */
export function certificateStep(
  held: HeldCertificates,
  names: readonly string[],
  servingMs: number,
  now: Date,
): CertificateStep {
  const { authorities, serving } = held;
  // Without its key an authority is of use as long as what it has signed is served.
  const signer = serving && isValid(serving, now) ? serving.signedBy : undefined;
  const isOfUse = (authority: (typeof authorities)[number], index: number) =>
    isValid(authority, now) && (authority.canSign || index === signer);
  const kept = authorities.flatMap((authority, index) => (isOfUse(authority, index) ? [index] : []));
  if (kept.length < authorities.length) return { type: 'DropAuthorities', kept };
  const newest = authorities.findLast(({ canSign }) => canSign);
  if (newest === undefined || now >= renewalTime(newest)) return { type: 'AddAuthority' };
  const isGood =
    serving !== undefined &&
    isValid(serving, now) &&
    now < renewalTime(serving) &&
    serving.signedBy !== undefined &&
    sameNames(serving.names, names);
  if (!isGood) {
    const end = now.getTime() + servingMs;
    const oldest = authorities.findIndex(({ canSign, notAfter }) => canSign && notAfter.getTime() >= end);
    return { type: 'RenewServing', authority: oldest < 0 ? authorities.indexOf(newest) : oldest };
  }
  const ends = authorities.map(({ notAfter }) => notAfter);
  return { type: 'Keep', until: earliest([renewalTime(serving), renewalTime(newest), ...ends]) };
}

function isValid({ notBefore, notAfter }: Validity, now: Date): boolean {
  return notBefore <= now && now < notAfter;
}

function renewalTime({ notBefore, notAfter }: Validity): Date {
  const from = notBefore.getTime();
  return new Date(from + (notAfter.getTime() - from) * RENEWED_AT);
}

function sameNames(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name) => other.includes(name));
}

function earliest(dates: readonly Date[]): Date {
  return new Date(Math.min(...dates.map((date) => date.getTime())));
}
