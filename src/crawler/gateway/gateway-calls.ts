// Calls to the gateway over HTTP, with connections that are kept.
import { Agent } from 'undici';
import {
  CALL_PATH_PREFIX,
  CALLS,
  type CallAnswer,
  type CallName,
  type CallRequest,
  MAX_WAIT_MS,
  type WorkerCalls,
} from '../../gateway/protocol/calls.ts';
import { errorOf } from '../../gateway/protocol/problem.ts';
import { StoreError } from '../../gateway/protocol/store-error.ts';
import { retryAfterMs } from '../back-off.ts';

export type GatewayOptions = {
  /** `https://host:port`, or `http:` where a mesh encrypts. */
  readonly url: string;
  /** PEM of the authorities that may have signed the gateway's certificate; without it those of the system count. */
  readonly ca?: string;
  readonly token: string;
  /** Calls at once; more wait for one of them. */
  readonly connections?: number;
};

const CONNECT_TIMEOUT_MS = 10_000;
/** A claim may wait; a database may be slow for as long as its own time-out of 30 s. */
const ANSWER_TIMEOUT_MS = MAX_WAIT_MS + 40_000;
/** Between two parts of a body. */
const BODY_TIMEOUT_MS = 30_000;
/** Shorter than the gateway's, so that a connection is not used just when the other side closes it. */
const KEEP_ALIVE_MS = 30_000;
const CONNECTIONS = 32;

export function openGateway({ url, ca, token, connections = CONNECTIONS }: GatewayOptions): WorkerCalls {
  const agent = new Agent({
    connections,
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: BODY_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connect: { timeout: CONNECT_TIMEOUT_MS, ...(ca === undefined ? {} : { ca }) },
  });
  const origin = new URL(url).origin;
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };

  const post = async (name: CallName, body: string, signal: AbortSignal): Promise<unknown> => {
    const answer = await agent.request({
      ...{ origin, path: CALL_PATH_PREFIX + name, method: 'POST', headers, body, signal },
    });
    const text = await answer.body.text();
    if (answer.statusCode === 200) return JSON.parse(text);
    throw errorOf(answer.statusCode, parsed(text), retryAfterMs(answer.headers['retry-after'], Date.now()));
  };

  return {
    async call<Name extends CallName>(name: Name, request: CallRequest<Name>, signal: AbortSignal) {
      signal.throwIfAborted();
      // What cannot be written now cannot be later: not for the gateway to mend.
      const body = JSON.stringify(request);
      try {
        const answer = await post(name, body, signal);
        return CALLS[name].answer.parse(answer) as CallAnswer<Name>;
      } catch (error) {
        throw signal.aborted ? signal.reason : callError(error);
      }
    },
    close: () => agent.destroy(),
  };
}

/** What goes wrong on the way there may be right the next time: a gateway that restarts, or is not there yet. */
function callError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new StoreError('Unavailable', `the gateway does not answer as it should: ${message}`, { cause: error });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
