// What the gateway counts, for Prometheus.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { boundedLabel } from './bounded-label.ts';

export type GatewayMetrics = {
  /** A request was answered, by the name of its call (`unknown` for none) and status; the namespace of its run, once known. */
  readonly answered: (call: string, status: number, seconds: number, namespace: string | undefined) => void;
  readonly tokenRefused: () => void;
  /** A request was not served: too much waits already, too many bodies are in hand, or its run asks too often. */
  readonly turnedAway: (reason: 'LineFull' | 'BodiesFull' | 'TooManyRequests', namespace: string | undefined) => void;
  readonly lookFailed: () => void;
};

/** What is measured when it is asked for. */
export type GatewayGauges = {
  readonly waitingClaims: () => number;
  readonly connectionsUsed: () => number;
  readonly connectionsWaitedFor: () => number;
};

/** Namespaces that are told apart. */
const MAX_NAMESPACES = 200;
/** From a tenth of a millisecond to a slow database; a claim that waits for work is not counted as slow. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

export function createGatewayMetrics(registry: Registry, gauges: GatewayGauges): GatewayMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: 'trawler_gateway_requests_total',
    help: 'Requests of workers, by call and status.',
    labelNames: ['call', 'status'] as const,
    registers,
  });
  const duration = new Histogram({
    name: 'trawler_gateway_request_duration_seconds',
    help: 'From the request to the answer, without the time that a claim waits for work.',
    labelNames: ['call'] as const,
    buckets: BUCKETS,
    registers,
  });
  const refused = new Counter({
    name: 'trawler_gateway_tokens_refused_total',
    help: 'Requests without a token that is good.',
    registers,
  });
  const turnedAway = new Counter({
    name: 'trawler_gateway_turned_away_total',
    help: 'Requests that were told to come again later, by reason.',
    labelNames: ['reason'] as const,
    registers,
  });
  const ofNamespace = boundedLabel(MAX_NAMESPACES);
  const byNamespace = (name: string, help: string) =>
    new Counter({
      name,
      help: `${help}, by the namespace of their run.`,
      labelNames: ['namespace'] as const,
      registers,
    });
  const namespaceSeconds = byNamespace(
    'trawler_gateway_namespace_seconds_total',
    'Time that requests took, without the time that claims wait for work',
  );
  const namespaceRequests = byNamespace('trawler_gateway_namespace_requests_total', 'Requests of workers');
  const namespaceTurnedAway = byNamespace(
    'trawler_gateway_namespace_turned_away_total',
    'Requests that were told to come again later',
  );
  const looks = new Counter({
    name: 'trawler_gateway_looks_failed_total',
    help: 'Looks for work of waiting claims that the database did not answer.',
    registers,
  });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('trawler_gateway_waiting_claims', 'Claims that wait for work.', gauges.waitingClaims);
  gauge('trawler_gateway_connections_used', 'Connections to PostgreSQL that answer a request.', gauges.connectionsUsed);
  gauge(
    'trawler_gateway_connections_waited_for',
    'Requests that wait for a connection to PostgreSQL.',
    gauges.connectionsWaitedFor,
  );
  return {
    answered(call, status, seconds, name) {
      requests.inc({ call, status: String(status) });
      duration.observe({ call }, seconds);
      if (name === undefined) return;
      const namespace = ofNamespace(name);
      namespaceRequests.inc({ namespace });
      namespaceSeconds.inc({ namespace }, seconds);
    },
    tokenRefused: () => refused.inc(),
    turnedAway(reason, namespace) {
      turnedAway.inc({ reason });
      if (namespace !== undefined) namespaceTurnedAway.inc({ namespace: ofNamespace(namespace) });
    },
    lookFailed: () => looks.inc(),
  };
}
