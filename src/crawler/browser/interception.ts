// Requests of a page that are paused on their way: its documents, to keep it to the one that it was sent to and to see
// how that is answered; the data that scripts ask for, to wait for it; and what is not to be loaded. The guard proxy's
// password is given here, too.
import type { GuardProxy } from '../network/guard-proxy.ts';
import type { Headers, HeadersFor } from '../network/request-headers.ts';
import { DATA_PATTERNS, type DataRequests, isData } from './data-requests.ts';
import type { Events, Session } from './devtools.ts';
import type { Blocking } from './resource-blocking.ts';

export type PausedRequest = Events['Fetch.requestPaused'];

export async function interceptRequests(
  session: Session,
  options: {
    readonly mainFrameId: string;
    /** Whether the main frame may ask for the document. */
    readonly admits: (request: PausedRequest) => boolean;
    /** Whether the main frame shows the document that was answered. */
    readonly shows: (request: PausedRequest) => boolean;
    /** What is added to requests for the main frame's documents. */
    readonly headersFor: HeadersFor;
    readonly blocking: Blocking;
    readonly data: DataRequests;
    readonly proxy: GuardProxy;
  },
): Promise<void> {
  const { mainFrameId, blocking, data, proxy } = options;
  // A page that is being closed answers nothing any more, and need not.
  const send = (answer: Promise<unknown>) => void answer.catch(() => {});
  const stop = (requestId: string) => session.send('Fetch.failRequest', { requestId, errorReason: 'Aborted' });

  /** Without the cookies: the visitor has those, and Chromium ignores the header. */
  function addedTo(url: string): Headers {
    const { cookie: _, ...headers } = options.headersFor(new URL(url));
    return headers;
  }

  function goOn({ requestId, request }: PausedRequest, added: Headers = {}): Promise<unknown> {
    return session.send('Fetch.continueRequest', { requestId, ...withAdded(request.headers, added) });
  }

  function decide(paused: PausedRequest): Promise<unknown> {
    const { requestId, frameId, request } = paused;
    if (frameId !== mainFrameId) {
      return isAnswered(paused) || !blocking.forbids(request.url) ? goOn(paused) : stop(requestId);
    }
    if (isAnswered(paused)) return options.shows(paused) ? goOn(paused) : stop(requestId);
    return options.admits(paused) ? goOn(paused, addedTo(request.url)) : stop(requestId);
  }

  async function watch(paused: PausedRequest): Promise<void> {
    if (isAnswered(paused)) {
      data.answered();
      await goOn(paused);
    } else {
      const interceptResponse = await data.asked();
      await session.send('Fetch.continueRequest', { requestId: paused.requestId, interceptResponse });
    }
  }

  session.on('Fetch.requestPaused', (paused) => {
    const { requestId, resourceType, request } = paused;
    if (resourceType === 'Document') send(decide(paused));
    else if (!isData(resourceType) || blocking.forbids(request.url)) send(stop(requestId));
    else send(watch(paused));
  });
  session.on('Fetch.authRequired', ({ requestId, authChallenge }) => {
    const { username, password } = proxy;
    const isOurs = authChallenge.source === 'Proxy';
    const response = isOurs ? 'ProvideCredentials' : 'CancelAuth';
    const authChallengeResponse = { response, ...(isOurs ? { username, password } : {}) } as const;
    send(session.send('Fetch.continueWithAuth', { requestId, authChallengeResponse }));
  });
  await session.send('Fetch.enable', {
    handleAuthRequests: true,
    patterns: [
      { resourceType: 'Document', requestStage: 'Request' },
      { resourceType: 'Document', requestStage: 'Response' },
      ...DATA_PATTERNS,
      ...blocking.patterns,
    ],
  });
}

/** Whether the request is paused with its answer, or its failure. */
function isAnswered({ responseStatusCode, responseErrorReason }: PausedRequest): boolean {
  return responseStatusCode !== undefined || responseErrorReason !== undefined;
}

/** Nothing when nothing is added: naming the headers replaces them all. */
function withAdded(headers: Headers, added: Headers) {
  if (Object.keys(added).length === 0) return {};
  const kept = Object.entries(headers).filter(([name]) => !(name.toLowerCase() in added));
  return { headers: [...kept, ...Object.entries(added)].map(([name, value]) => ({ name, value })) };
}
