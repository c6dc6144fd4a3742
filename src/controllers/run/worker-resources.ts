// CPU and memory of a worker: what the spec says, and the defaults of each resource that it leaves out. Pure function.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { higherQuantity, lowerQuantity } from './quantity.ts';

type Quantities = Readonly<Record<string, string | number>>;

const DEFAULTS: Readonly<Record<'HTTP' | 'Browser', { readonly requests: Quantities; readonly limits: Quantities }>> = {
  HTTP: { requests: { cpu: '250m', memory: '256Mi' }, limits: { memory: '512Mi' } },
  Browser: { requests: { cpu: '500m', memory: '1Gi' }, limits: { memory: '2Gi' } },
};

/**
 * Requests and limits of the container, merged by the resource's name: what the spec gives stands, a default request is
 * no higher than the limit that is given, and a default limit no lower than the request that is given.
 */
export function workerResources({ pod, fetch }: CrawlRunSpec): {
  requests: Record<string, string>;
  limits: Record<string, string>;
} {
  const defaults = DEFAULTS[fetch.render === 'HTTP' ? 'HTTP' : 'Browser'];
  const { requests = {}, limits = {} } = pod.resources;
  return {
    requests: asText({ ...adjusted(defaults.requests, limits, lowerQuantity), ...requests }),
    limits: asText({ ...adjusted(defaults.limits, requests, higherQuantity), ...limits }),
  };
}

function adjusted(defaults: Quantities, given: Quantities, choose: typeof lowerQuantity): Quantities {
  return Object.fromEntries(
    Object.entries(defaults).map(([name, quantity]) => {
      const bound = given[name];
      return [name, bound === undefined ? quantity : choose(quantity, bound)];
    }),
  );
}

function asText(quantities: Quantities): Record<string, string> {
  return Object.fromEntries(Object.entries(quantities).map(([name, quantity]) => [name, String(quantity)]));
}
