// Requests of a page that are paused on their way: its documents, to keep it to the one that it was sent to and to see
// how that is answered; the first that its scripts make, to watch the network from then on; and what is not to be loaded.
// The guard proxy's password is given here, too.
import type { GuardProxy } from '../network/guard-proxy.ts';
import type { Headers, HeadersFor } from '../network/request-headers.ts';
import type { Events, Session } from './devtools.ts';
import type { HungResources } from './hung-resources.ts';
import { FIRST_REQUESTS, isWaitedFor, type PageActivity, WORKER_SCRIPT } from './page-activity.ts';
import type { Blocking } from './resource-blocking.ts';
import type { RetypedDocument } from './retyped-document.ts';

export type PausedRequest = Events['Fetch.requestPaused'];

/** Whether an answer is shown; `AsPage` what the server means to be saved, and a document in place of what was answered. */
export type Shows = 'No' | 'AsItIs' | 'AsPage' | RetypedDocument;

export type Interception = {
  /** Takes into account what hangs by now. */
  readonly update: () => Promise<unknown>;
};

/** Headers that say how a body was sent, and as what; it is given to the browser without codings. */
const OF_THE_BODY = new Set([
  ...['content-disposition', 'content-encoding', 'content-length', 'content-type', 'transfer-encoding'],
]);

export async function interceptRequests(
  session: Session,
  options: {
    readonly mainFrameId: string;
    /** Whether the main frame may ask for the document. */
    readonly admits: (request: PausedRequest) => boolean | Promise<boolean>;
    /** Whether the main frame shows the document that was answered. */
    readonly shows: (request: PausedRequest) => Shows | Promise<Shows>;
    /** What is added to requests for the main frame's documents. */
    readonly headersFor: HeadersFor;
    readonly blocking: Blocking;
    readonly hung: HungResources;
    readonly activity: PageActivity;
    readonly proxy: GuardProxy;
  },
): Promise<Interception> {
  const { mainFrameId, blocking, hung, activity, proxy } = options;
  let first = FIRST_REQUESTS;
  // A page that is being closed answers nothing any more, and need not.
  const send = (answer: Promise<unknown>) => void answer.catch(() => {});
  const stop = (requestId: string) => session.send('Fetch.failRequest', { requestId, errorReason: 'Aborted' });
  const isUnwanted = (url: string) => blocking.forbids(url) || hung.has(url);

  /** Without the cookies: the visitor has those, and Chromium ignores the header. */
  function addedTo(url: string): Headers {
    const { cookie: _, ...headers } = options.headersFor(new URL(url));
    return headers;
  }

  function goOn({ requestId, request }: PausedRequest, added: Headers = {}): Promise<unknown> {
    return session.send('Fetch.continueRequest', { requestId, ...withAdded(request.headers, added) });
  }

  async function decide(paused: PausedRequest): Promise<unknown> {
    const { requestId, frameId, request } = paused;
    if (frameId !== mainFrameId) {
      if (isAnswered(paused)) {
        activity.frameAnswered(frameId, request.url);
        return goOn(paused);
      }
      if (isUnwanted(request.url)) return stop(requestId);
      activity.frameAsked(frameId, request.url);
      return goOn(paused);
    }
    if (isAnswered(paused)) return show(paused, await options.shows(paused));
    return (await options.admits(paused)) ? goOn(paused, addedTo(request.url)) : stop(requestId);
  }

  function show(paused: PausedRequest, how: Shows): Promise<unknown> {
    const { requestId, responseStatusCode = 200, responseHeaders = [] } = paused;
    if (how === 'No') return stop(requestId);
    if (how === 'AsItIs') return goOn(paused);
    const answer = { requestId, responseCode: responseStatusCode };
    if (how === 'AsPage') {
      const headers = responseHeaders.filter(({ name }) => name.toLowerCase() !== 'content-disposition');
      return session.send('Fetch.continueResponse', { ...answer, responseHeaders: headers });
    }
    const type = { name: 'Content-Type', value: how.contentType };
    const kept = responseHeaders.filter(({ name }) => !OF_THE_BODY.has(name.toLowerCase()));
    return session.send('Fetch.fulfillRequest', {
      ...{ ...answer, responseHeaders: [...kept, type], body: how.body.toString('base64') },
    });
  }

  /** From the first request of a script on the network domain tells of them all, and nothing is paused for it. */
  function watch(paused: PausedRequest): Promise<unknown> {
    const { requestId, networkId, resourceType, request } = paused;
    if (activity.isWatched() && !isAnswered(paused)) {
      activity.pausedLate(resourceType, networkId, request.url);
      return goOn(paused);
    }
    if (isAnswered(paused)) {
      activity.answered(request.url);
      return goOn(paused);
    }
    const isFirst = first.length > 0;
    first = [];
    send(activity.watch(resourceType, request.url).then(() => (isFirst ? enable() : undefined)));
    // A stream would be kept from its reader until it ends.
    return session.send('Fetch.continueRequest', { requestId, interceptResponse: resourceType !== 'EventSource' });
  }

  function watchWorker(paused: PausedRequest): Promise<unknown> {
    const { requestId, request, responseErrorReason } = paused;
    if (isAnswered(paused)) activity.workerAnswered(requestId, responseErrorReason !== undefined);
    else activity.workerAsked(requestId, request.url);
    return session.send('Fetch.continueRequest', { requestId, interceptResponse: !isAnswered(paused) });
  }

  function enable(): Promise<unknown> {
    return session.send('Fetch.enable', {
      handleAuthRequests: true,
      patterns: [
        { resourceType: 'Document', requestStage: 'Request' },
        { resourceType: 'Document', requestStage: 'Response' },
        { resourceType: WORKER_SCRIPT },
        ...first,
        ...blocking.patterns,
        ...hung.patterns().map((urlPattern) => ({ urlPattern })),
      ],
    });
  }

  session.on('Fetch.requestPaused', (paused) => {
    const { requestId, resourceType, request } = paused;
    if (resourceType === 'Document') send(decide(paused));
    else if (blocking.forbidsType(resourceType) || isUnwanted(request.url)) send(stop(requestId));
    else if (resourceType === WORKER_SCRIPT) send(watchWorker(paused));
    else send(isWaitedFor(resourceType) ? watch(paused) : goOn(paused));
  });
  session.on('Fetch.authRequired', ({ requestId, authChallenge }) => {
    const { username, password } = proxy;
    const isOurs = authChallenge.source === 'Proxy';
    const response = isOurs ? 'ProvideCredentials' : 'CancelAuth';
    const authChallengeResponse = { response, ...(isOurs ? { username, password } : {}) } as const;
    send(session.send('Fetch.continueWithAuth', { requestId, authChallengeResponse }));
  });
  await enable();
  return { update: enable };
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
