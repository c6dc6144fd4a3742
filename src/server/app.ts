// The API put together: request log, compression, security headers, body limit, authentication, routes; CORS is off, so no page of
// another origin can use a token.
import { bodyLimit } from 'hono/body-limit';
import { compress } from 'hono/compress';
import { secureHeaders } from 'hono/secure-headers';
import { RELEASE } from '../store/release.ts';
import { createLogger, type Logger } from '../telemetry/logger.ts';
import type { ReadinessCheck } from '../telemetry/readiness.ts';
import { alertRoutes } from './alerts/alert-routes.ts';
import { auditRoutes } from './audit/audit-routes.ts';
import { type Authenticate, tokenOf } from './auth/identity.ts';
import { tokenRoutes } from './auth/token-routes.ts';
import { backfillRoutes } from './backfills/backfill-routes.ts';
import { createRoutes, type ServerContext } from './http/env.ts';
import { originOf } from './http/origin.ts';
import { ProblemError, problemOf } from './http/problem.ts';
import { REQUESTS_PER_MINUTE, rateLimit } from './http/rate-limit.ts';
import { requestLog } from './http/request-log.ts';
import { countRequests, type RequestMetrics } from './http/request-metrics.ts';
import { exportRoutes } from './items/export-routes.ts';
import { itemRoutes } from './items/item-routes.ts';
import type { ServerParts } from './parts.ts';
import type { Document } from './reference/operations.ts';
import { PAGE_POLICY, referencePage } from './reference/page.ts';
import { changePreviewRoutes } from './runs/change-preview-routes.ts';
import { changeRoutes } from './runs/change-routes.ts';
import { deadLetterRoutes } from './runs/dead-letter-routes.ts';
import { executionRoutes } from './runs/execution-routes.ts';
import { explainRoutes } from './runs/explain-routes.ts';
import { hostRoutes } from './runs/host-routes.ts';
import { logRoutes } from './runs/log-routes.ts';
import { runActionRoutes } from './runs/run-action-routes.ts';
import { runDetailRoutes } from './runs/run-detail-routes.ts';
import { runRoutes } from './runs/run-routes.ts';
import { crawlNowRoutes } from './schedules/crawl-now-routes.ts';
import { deliveryRoutes } from './schedules/delivery-routes.ts';
import { nextRoutes } from './schedules/next-routes.ts';
import { previewRoutes } from './schedules/preview-routes.ts';
import { proxyTestRoutes } from './schedules/proxy-test-routes.ts';
import { scheduleActionRoutes } from './schedules/schedule-action-routes.ts';
import { scheduleRoutes } from './schedules/schedule-routes.ts';
import { streamRoutes } from './stream/stream-routes.ts';
import { healthRoutes } from './system/health-routes.ts';
import { meRoutes } from './system/me-routes.ts';
import { schedulerRoutes } from './system/scheduler-routes.ts';
import { statusRoutes } from './system/status-routes.ts';

/** In the order of the reference page. */
const ROOMS = [
  ...[
    meRoutes,
    statusRoutes,
    schedulerRoutes,
    scheduleRoutes,
    scheduleActionRoutes,
    previewRoutes,
    nextRoutes,
    proxyTestRoutes,
  ],
  ...[crawlNowRoutes, runRoutes, runActionRoutes, runDetailRoutes, explainRoutes, logRoutes, executionRoutes],
  ...[backfillRoutes, itemRoutes, exportRoutes, deadLetterRoutes, changeRoutes, streamRoutes],
  ...[changePreviewRoutes, hostRoutes, deliveryRoutes, alertRoutes, auditRoutes, tokenRoutes],
];

/** A CrawlSchedule may have 1.5 MiB in etcd. */
const MOST_BODY_BYTES = 2 * 1024 * 1024;

export type AppOptions = {
  readonly parts: ServerParts;
  readonly authenticate: Authenticate;
  readonly readiness: Readonly<Record<string, ReadinessCheck>>;
  readonly logger: Logger;
  /** Of one identity, in one replica. */
  readonly requestsPerMinute?: number;
  readonly requestMetrics?: RequestMetrics;
};

export const OPENAPI = {
  openapi: '3.1.0',
  info: { title: 'Trawler', version: RELEASE, description: 'Crawls websites on a schedule, on Kubernetes.' },
  security: [{ bearer: [] as string[] }, { header: [] as string[] }],
};

export function createApp({ parts, authenticate, readiness, logger, ...options }: AppOptions) {
  const { requestsPerMinute = REQUESTS_PER_MINUTE, requestMetrics } = options;
  const app = createRoutes();
  if (requestMetrics !== undefined) app.use(countRequests(requestMetrics));
  app.use(requestLog(logger));
  app.use(compress());
  app.use(secureHeaders());
  app.use(async (c, next) => {
    // Answers are for one identity and one moment.
    c.header('cache-control', 'no-store');
    await next();
  });
  const tooLarge = () => {
    throw new ProblemError('TooLarge', `the body has more than ${MOST_BODY_BYTES} bytes`);
  };
  app.use(bodyLimit({ maxSize: MOST_BODY_BYTES, onError: tooLarge }));
  app.route('/', healthRoutes(readiness));
  app.use(async (c, next) => {
    const token = tokenOf((name) => c.req.header(name));
    if (token === undefined) {
      throw new ProblemError(
        'Unauthenticated',
        'send a token of Kubernetes, or a named one: Authorization: Bearer TOKEN',
      );
    }
    const identity = await authenticate(token);
    if (identity === undefined) throw new ProblemError('Unauthenticated', 'nobody knows this token');
    c.set('identity', { ...identity, ...originOf(c) });
    c.set('isStillCaller', async () => (await authenticate(token)) !== undefined);
    await next();
  });
  app.use(rateLimit(requestsPerMinute));
  for (const room of ROOMS) {
    app.route('/', room(parts));
  }
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  app.openAPIRegistry.registerComponent('securitySchemes', 'header', {
    ...{ type: 'apiKey', in: 'header', name: 'Trawler-Token' },
    description: 'The same token, where a proxy takes Authorization away.',
  });
  let document: object | undefined;
  app.get('/openapi.json', (c) => {
    document ??= app.getOpenAPI31Document(OPENAPI);
    return c.json(document);
  });
  let page: string | undefined;
  app.get('/reference', (c) => {
    page ??= referencePage(app.getOpenAPI31Document(OPENAPI) as unknown as Document);
    return c.html(page, 200, { 'content-security-policy': PAGE_POLICY });
  });
  app.notFound((c) => problemAnswer(c, new ProblemError('NotFound', `there is no ${c.req.method} ${c.req.path}`)));
  app.onError((error, c) => problemAnswer(c, problemOf(error, c.req.header('if-match') !== undefined)));
  return app;
}

/** The OpenAPI document, without a server. */
export function apiDocument(): object {
  const nothing = {} as ServerParts;
  const authenticate = async () => undefined;
  const app = createApp({ parts: nothing, authenticate, readiness: {}, logger: createLogger('server', 'fatal') });
  return app.getOpenAPI31Document(OPENAPI);
}

function problemAnswer(c: ServerContext, problem: ProblemError): Response {
  const headers: Record<string, string> = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' };
  if (problem.reason === 'Unauthenticated') headers['www-authenticate'] = 'Bearer realm="trawler"';
  if (problem.retryAfter !== undefined) headers['retry-after'] = String(problem.retryAfter);
  return c.body(JSON.stringify(problem.body()), problem.status, headers);
}
