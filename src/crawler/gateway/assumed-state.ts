// What a worker takes for granted of the database from its answers, and when it may not any more: after a failover or a
// restore the last commits may be lost. See docs/decisions/0052-failover.md.
import type { CallAnswer } from '../../gateway/protocol/calls.ts';
import { KnownUrls } from './known-urls.ts';

/** Arguments of claim_requests. */
export type ClaimAssumptions = {
  readonly epoch: number;
  /** All leases that this worker knows of, when a new epoch begins: others of its leases are given back. */
  readonly held: string[] | null;
  /** Identity of the server that answered last; null before the first answer. */
  readonly server: string | null;
  /** No lane is due before, in milliseconds of the database's clock; null when that is not known. */
  readonly dueFrom: number | null;
};

/** Looks at all lanes so often: another claim may have given one back that was due earlier. */
const LOOK_AT_ALL_EVERY_MS = 2_000;

export class AssumedState {
  /** URLs that are surely in the frontier. */
  readonly known = new KnownUrls();
  /** Tokens of the leases that this worker holds. */
  readonly leases = new Set<string>();
  server: string | null = null;
  /** The seeds were put in, by this worker or by another. */
  isSeeded = false;
  /** Of claims whose links were added before their end. */
  readonly #withAddedLinks = new Set<string>();
  /** Those of them whose links may be lost: they can only be crawled anew. */
  readonly #broken = new Set<string>();
  /** Raised when an answer was lost, see begin_claim_epoch; and that of the last answer. */
  #epoch = 0;
  #heardEpoch = 0;
  #dueFrom: number | null = null;
  #lookedAtAll = Number.NEGATIVE_INFINITY;

  claim(): ClaimAssumptions {
    const held = this.#epoch === this.#heardEpoch ? null : [...this.leases];
    return { epoch: this.#epoch, held, server: this.server, dueFrom: this.#nextDueFrom() };
  }

  claimAnswered(answer: CallAnswer<'claim'>): void {
    this.#heardEpoch = this.#epoch;
    this.#dueFrom = ('dueFrom' in answer ? answer.dueFrom : null) ?? null;
    if (answer.state === 'Claimed') this.server = answer.server;
  }

  #nextDueFrom(): number | null {
    const now = performance.now();
    if (now - this.#lookedAtAll < LOOK_AT_ALL_EVERY_MS) return this.#dueFrom;
    this.#lookedAtAll = now;
    return null;
  }

  /** The answer to a claim did not arrive: it may have leased what this worker knows nothing of. */
  answerLost(): void {
    this.#epoch++;
    this.#dueFrom = null;
  }

  /** Whether it may hold leases that it knows nothing of. */
  get isUnsure(): boolean {
    return this.#epoch !== this.#heardEpoch;
  }

  linksAdded(leaseToken: string): void {
    this.#withAddedLinks.add(leaseToken);
  }

  claimEnded(leaseToken: string): void {
    this.leases.delete(leaseToken);
    this.#withAddedLinks.delete(leaseToken);
    this.#broken.delete(leaseToken);
  }

  /** Whether the claim can end in nothing any more, since links that were added on its way may be lost. */
  isBroken(leaseToken: string): boolean {
    return this.#broken.has(leaseToken);
  }

  /** Another server answers, a restarted one, or the same after a restore. */
  serverChanged(server: string): void {
    this.server = server;
    // Leases and links are asserted anew: with the next claim the leases, with the next commits the links.
    this.answerLost();
    this.known.clear();
    for (const token of this.#withAddedLinks) {
      this.#broken.add(token);
      this.leases.delete(token);
    }
    this.#withAddedLinks.clear();
  }
}
