// The pods of a run's workers as users may shape them: resources, place, labels, environment, user.
import { z } from 'zod';
import { DNS_SUBDOMAIN } from './dns-names.ts';
import { keyedBy, withMaxProperties, withRules } from './validation.ts';

/** A quantity of Kubernetes that is not negative, such as 250m, 1.5 or 512Mi (apimachinery, pkg/api/resource). */
export const QUANTITY_PATTERN = /^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?$/;

const quantity = z
  .union([z.int().min(0), z.string().max(32).regex(QUANTITY_PATTERN)])
  .meta({ 'x-kubernetes-int-or-string': true, maxLength: 32, pattern: QUANTITY_PATTERN.source });

const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const QUALIFIED_NAME =
  /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

const KEYS_RULE = {
  rule: '!self.exists(key, format.qualifiedName().validate(key).hasValue())',
  message: 'a key is a name of letters, digits, - _ and . (at most 63), or a domain, a slash and such a name',
  reason: 'FieldValueInvalid',
} as const;

/** The bound on the number of keys keeps the rule over them cheap. */
export const labels = (most: number) =>
  withRules(withMaxProperties(z.record(z.string(), labelValue()), most), [KEYS_RULE]);

export const annotations = (most: number) =>
  withRules(withMaxProperties(z.record(z.string(), z.string().max(8_192)), most), [KEYS_RULE]);

const objectName = (what: string) => z.string().min(1).max(253).regex(DNS_SUBDOMAIN).describe(what);
const labelKey = (what: string) => z.string().min(1).max(317).regex(QUALIFIED_NAME).describe(what);
const labelValue = () => z.string().max(63).regex(LABEL_VALUE);

/** Resource names that Kubernetes knows; every other one has a domain, such as example.com/gpu. */
const KNOWN_RESOURCES = ['cpu', 'memory', 'ephemeral-storage'];

const quantities = (what: string) =>
  withRules(withMaxProperties(z.record(z.string().max(317), quantity), 16), [
    {
      rule: `self.all(name, name in [${KNOWN_RESOURCES.map((name) => `'${name}'`).join(', ')}] || name.startsWith('hugepages-') || name.contains('/'))`,
      message: `a resource is ${KNOWN_RESOURCES.join(', ')}, hugepages-SIZE, or has a domain such as example.com/gpu`,
      reason: 'FieldValueInvalid',
    },
  ])
    .optional()
    .describe(what);

/** Below this the worker's runtime is killed before it says why. */
const LEAST_MEMORY = '128Mi';

const resources = withRules(
  z
    .object({
      requests: quantities('What a worker is given at least. They follow limits where only those are given.'),
      limits: quantities('What a worker may use at most.'),
    })
    .describe("CPU and memory of a worker; the operator's defaults for each resource that is left out."),
  [
    {
      rule: '!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits) || quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)',
      message: 'a request is higher than its limit: lower it, or raise the limit',
      reason: 'FieldValueInvalid',
      fieldPath: '.requests',
    },
    {
      rule: `!has(self.limits) || !('memory' in self.limits) || quantity(string(self.limits['memory'])).compareTo(quantity('${LEAST_MEMORY}')) >= 0`,
      message: `a worker needs at least ${LEAST_MEMORY} of memory: raise limits.memory`,
      reason: 'FieldValueInvalid',
      fieldPath: '.limits',
    },
  ],
).prefault({});

const toleration = withRules(
  z.object({
    key: labelKey('The taint; every taint when left out, with operator Exists.').optional(),
    operator: z.enum(['Exists', 'Equal']).default('Equal').describe('Whether the value counts.'),
    value: labelValue().optional().describe("The taint's value."),
    effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional().describe('Every effect when left out.'),
    tolerationSeconds: z.int().min(0).max(86_400).optional().describe('How long a NoExecute taint is tolerated.'),
  }),
  [
    {
      rule: "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
      message: 'a toleration without a key is for every taint: set operator to Exists, or give the key',
      reason: 'FieldValueInvalid',
      fieldPath: '.operator',
    },
    {
      rule: "!has(self.value) || !has(self.operator) || self.operator != 'Exists' || self.value == ''",
      message: 'with operator Exists the value does not count: leave it out, or set operator to Equal',
      reason: 'FieldValueInvalid',
      fieldPath: '.value',
    },
    {
      rule: "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
      message: 'tolerationSeconds is for the effect NoExecute alone',
      reason: 'FieldValueInvalid',
      fieldPath: '.tolerationSeconds',
    },
  ],
);

const VALUES_RULE = {
  rule: "(self.operator in ['Exists', 'DoesNotExist']) == (!has(self.values) || size(self.values) == 0)",
  message: 'In, NotIn, Gt and Lt need values; Exists and DoesNotExist have none',
  reason: 'FieldValueInvalid',
  fieldPath: '.values',
} as const;

const values = z.array(labelValue()).max(20).optional().describe('What the label may have as its value.');

const labelSelector = z
  .object({
    matchLabels: labels(16).optional().describe('Labels with their values.'),
    matchExpressions: z
      .array(
        withRules(
          z.object({
            key: labelKey('The label.'),
            operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']).describe('How it is compared.'),
            values,
          }),
          [VALUES_RULE],
        ),
      )
      .max(10)
      .optional()
      .describe('Conditions, all of which must hold.'),
  })
  .describe('Which pods count.');

const nodeTerm = z
  .object({
    matchExpressions: z
      .array(
        withRules(
          z.object({
            key: labelKey('The label of the node.'),
            operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt']).describe('How it is compared.'),
            values,
          }),
          [VALUES_RULE],
        ),
      )
      .min(1)
      .max(10)
      .describe('Conditions, all of which must hold.'),
  })
  .describe('A kind of node.');

const weight = z.int().min(1).max(100).describe('How much it counts against the other preferences.');

const podTerm = z
  .object({
    labelSelector: labelSelector.optional(),
    namespaces: z
      .array(z.string().min(1).max(63))
      .max(20)
      .optional()
      .describe("Where these pods are; the run's own namespace when left out."),
    topologyKey: labelKey('The label of nodes that are one place, such as kubernetes.io/hostname.'),
  })
  .describe('Pods, and what is near them.');

const nearPods = (what: string) =>
  z
    .object({
      requiredDuringSchedulingIgnoredDuringExecution: z.array(podTerm).max(10).optional().describe('What must hold.'),
      preferredDuringSchedulingIgnoredDuringExecution: z
        .array(z.object({ weight, podAffinityTerm: podTerm }))
        .max(10)
        .optional()
        .describe('What is better.'),
    })
    .optional()
    .describe(what);

const affinity = z
  .object({
    nodeAffinity: z
      .object({
        requiredDuringSchedulingIgnoredDuringExecution: z
          .object({ nodeSelectorTerms: z.array(nodeTerm).min(1).max(10).describe('Kinds of nodes; one is enough.') })
          .optional()
          .describe('What must hold.'),
        preferredDuringSchedulingIgnoredDuringExecution: z
          .array(z.object({ weight, preference: nodeTerm }))
          .max(10)
          .optional()
          .describe('What is better.'),
      })
      .optional()
      .describe('Nodes to run on.'),
    podAffinity: nearPods('Pods to be near.'),
    podAntiAffinity: nearPods('Pods to be away from.'),
  })
  .describe('Where workers run, as in a pod of Kubernetes.');

const topologySpread = z.object({
  maxSkew: z.int().min(1).max(1_000).describe('How many more workers one place may have than another.'),
  topologyKey: labelKey('The label of nodes that are one place, such as topology.kubernetes.io/zone.'),
  whenUnsatisfiable: z.enum(['DoNotSchedule', 'ScheduleAnyway']).describe('What happens when that cannot be held.'),
  labelSelector: labelSelector.optional().describe("Which pods are spread; the run's own workers when left out."),
});

const keyRef = (what: string) =>
  z
    .object({
      name: objectName(`Name of a ${what} in the same namespace.`),
      key: z
        .string()
        .min(1)
        .max(253)
        .regex(/^[-._a-zA-Z0-9]+$/)
        .describe('Key in it.'),
    })
    .optional()
    .describe(`The value is in a ${what}.`);

const environmentVariable = withRules(
  z.object({
    name: z
      .string()
      .min(1)
      .max(128)
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
      .describe("Name of the variable; those that begin with TRAWLER_ are the operator's."),
    value: z.string().max(4_096).optional().describe('Its value.'),
    valueFrom: z
      .object({ secretKeyRef: keyRef('Secret'), configMapKeyRef: keyRef('ConfigMap') })
      .optional()
      .describe('Where its value is. The browser sees it, too.'),
  }),
  [
    {
      rule: "!self.name.startsWith('TRAWLER_') && self.name != 'HOME'",
      message: "names that begin with TRAWLER_, and HOME, are the operator's",
      reason: 'FieldValueForbidden',
      fieldPath: '.name',
    },
    {
      rule: 'has(self.value) != (has(self.valueFrom) && (has(self.valueFrom.secretKeyRef) != has(self.valueFrom.configMapKeyRef)))',
      message: 'give exactly one of value, valueFrom.secretKeyRef and valueFrom.configMapKeyRef',
      reason: 'FieldValueInvalid',
      fieldPath: '.value',
    },
  ],
);

const id = (what: string) => z.int().min(1).max(2_147_483_647).optional().describe(what);

const securityContext = z
  .object({
    runAsUser: id("User of the workers; the operator's setting when left out."),
    runAsGroup: id('Group of the workers; that of the user setting when left out.'),
    fsGroup: id('Group that owns the volumes; that of the user setting when left out.'),
    supplementalGroups: z.array(z.int().min(1).max(2_147_483_647)).max(20).optional().describe('Further groups.'),
  })
  .describe('User and groups of the workers. They never run as root, and have no privileges.');

/** Names are those of a pod of Kubernetes. */
export const podTemplate = z
  .object({
    labels: labels(32).default({}).describe("Labels of the Job and its pods, besides the run's own labels."),
    annotations: annotations(32)
      .default({})
      .describe(
        "Annotations of the pods, besides the run's own, such as cluster-autoscaler.kubernetes.io/safe-to-evict.",
      ),
    resources,
    nodeSelector: labels(32).default({}).describe('Labels that the node must carry.'),
    tolerations: z.array(toleration).max(50).default([]).describe('Taints of nodes that workers bear.'),
    affinity: affinity.optional(),
    topologySpreadConstraints: z
      .array(topologySpread)
      .max(10)
      .default([])
      .describe('How workers are spread over nodes or zones.'),
    priorityClassName: objectName('A PriorityClass of the cluster.').optional(),
    runtimeClassName: objectName('A RuntimeClass of the cluster.').optional(),
    serviceAccountName: objectName('A ServiceAccount in the same namespace. Workers get no token of it.').optional(),
    imagePullSecrets: keyedBy(
      z
        .array(z.object({ name: objectName('Name of a Secret in the same namespace.') }))
        .max(20)
        .default([])
        .describe('Secrets to pull the image with.'),
      'name',
    ),
    env: keyedBy(
      z.array(environmentVariable).max(50).default([]).describe('Environment variables of the workers.'),
      'name',
    ),
    hostAliases: z
      .array(
        withRules(
          z.object({
            ip: z.string().min(2).max(45).describe('An address.'),
            hostnames: z
              .array(z.string().min(1).max(253).regex(DNS_SUBDOMAIN))
              .min(1)
              .max(20)
              .describe('Names that resolve to it.'),
          }),
          [{ rule: 'isIP(self.ip)', message: 'this is no IP address', reason: 'FieldValueInvalid', fieldPath: '.ip' }],
        ),
      )
      .max(20)
      .default([])
      .describe('Lines of /etc/hosts. Private addresses stay closed to the crawl unless the operator allows them.'),
    dnsConfig: z
      .object({
        nameservers: z.array(z.string().min(2).max(45)).max(3).optional().describe('Addresses of name servers.'),
        searches: z.array(z.string().min(1).max(253)).max(32).optional().describe('Search domains.'),
        options: z
          .array(
            z.object({
              name: z.string().min(1).max(63).describe('Name of the option, such as ndots.'),
              value: z.string().max(63).optional().describe('Its value.'),
            }),
          )
          .max(20)
          .optional()
          .describe('Options of the resolver.'),
      })
      .optional()
      .describe("Added to the cluster's own DNS settings."),
    securityContext: securityContext.optional(),
  })
  .describe('The pods of the workers.');

export type PodTemplate = z.output<typeof podTemplate>;

/** Fields that the operator's policy may withhold from those who write schedules and runs; `image` is the run's own. */
export const POLICED_POD_FIELDS = [...(Object.keys(podTemplate.shape) as (keyof PodTemplate)[]), 'image'] as const;
export type PolicedPodField = (typeof POLICED_POD_FIELDS)[number];

/** What they may set unless the operator's values say otherwise: nothing that touches other tenants or the whole cluster. */
export const DEFAULT_POD_FIELDS: readonly PolicedPodField[] = POLICED_POD_FIELDS.filter(
  (field) => field !== 'priorityClassName' && field !== 'runtimeClassName' && field !== 'serviceAccountName',
);
