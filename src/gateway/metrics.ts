// What the gateway counts of its own work, for Prometheus.
import type { Registry } from 'prom-client';
import { METRICS } from '../telemetry/metric-table.ts';
import { counter, histogram, readGauge } from '../telemetry/metrics.ts';
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
export const MAX_NAMESPACES = 200;

export function createGatewayMetrics(registry: Registry, gauges: GatewayGauges): GatewayMetrics {
  const requests = counter(registry, METRICS.gatewayRequests);
  const duration = histogram(registry, METRICS.gatewayRequestDuration);
  const refused = counter(registry, METRICS.gatewayTokensRefused);
  const turnedAway = counter(registry, METRICS.gatewayTurnedAway);
  const ofNamespace = boundedLabel(MAX_NAMESPACES);
  const namespaceSeconds = counter(registry, METRICS.gatewayNamespaceSeconds);
  const namespaceRequests = counter(registry, METRICS.gatewayNamespaceRequests);
  const namespaceTurnedAway = counter(registry, METRICS.gatewayNamespaceTurnedAway);
  const looks = counter(registry, METRICS.gatewayLooksFailed);
  const now = (read: () => number) => () => [{ labels: {}, value: read() }];
  readGauge(registry, METRICS.gatewayWaitingClaims, now(gauges.waitingClaims));
  readGauge(registry, METRICS.gatewayConnectionsUsed, now(gauges.connectionsUsed));
  readGauge(registry, METRICS.gatewayConnectionsWaitedFor, now(gauges.connectionsWaitedFor));
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
