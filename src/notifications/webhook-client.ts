// Posts messages to webhooks, which may be anywhere but at an address that the guard refuses. Redirects are not followed: the
// specification counts them as failures, and they could lead anywhere.
import { Agent, request } from 'undici';
import { type AddressGuard, guardedConnector } from '../crawler/network/address-guard.ts';
import type { Message } from './message.ts';
import type { Answer } from './retry-plan.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** From the first byte sent to the answer's head; the specification recommends 15 to 30 seconds. */
const ANSWER_TIMEOUT_MS = 15_000;
const USER_AGENT = 'Trawler-Webhooks/1';

export type WebhookClient = {
  /** What was answered, or why nothing was. Rejects with the signal's reason alone. */
  readonly post: (url: string, message: Message, signal: AbortSignal) => Promise<Answer>;
  readonly close: () => Promise<void>;
};

export function createWebhookClient(guard: AddressGuard, answerTimeoutMs = ANSWER_TIMEOUT_MS): WebhookClient {
  const dispatcher = new Agent({ connect: guardedConnector(guard, CONNECT_TIMEOUT_MS), pipelining: 0 });
  return {
    async post(url, { body, headers }, signal) {
      const timeout = AbortSignal.timeout(answerTimeoutMs);
      try {
        const answer = await request(url, {
          ...{ method: 'POST', dispatcher, body, signal: AbortSignal.any([signal, timeout]) },
          headers: { ...headers, 'user-agent': USER_AGENT },
        });
        // What it says is of no interest; a body without end is not waited for.
        answer.body.on('error', () => undefined).destroy();
        const retryAfter = answer.headers['retry-after'];
        return { status: answer.statusCode, ...(typeof retryAfter === 'string' ? { retryAfter } : {}) };
      } catch (error) {
        signal.throwIfAborted();
        if (timeout.aborted) return { error: `no answer within ${answerTimeoutMs / 1_000} s` };
        // Of the connection: it names host and address, never the URL, which may be a secret.
        return { error: error instanceof Error ? error.message : String(error) };
      }
    },
    close: () => dispatcher.destroy(),
  };
}
