// What a person can do about an obstacle: the field of the spec, or the object of the cluster, that Kubernetes' own words
// are about. Pure function.
import type { StartReason } from '../../resources/conditions.ts';

type Advice = { readonly reason?: StartReason; readonly words: RegExp; readonly advice: string };

/** The first that matches counts: special words before general ones. */
const ADVICE: readonly Advice[] = [
  // Why Secret, Job or pods are refused
  {
    words: /exceeded quota.*count\//,
    advice: 'delete what is not needed, or raise the ResourceQuota of the namespace',
  },
  {
    words: /exceeded quota|failed quota/,
    advice: 'lower spec.workers or spec.pod.resources, or raise the ResourceQuota of the namespace',
  },
  {
    words: /violates PodSecurity/,
    advice: 'the namespace enforces a Pod Security Standard that spec.browser.sandbox or spec.pod does not meet',
  },
  {
    words: /(maximum|minimum) [a-z-]+ usage per|limit to request ratio|must be less than or equal to .* limit/,
    advice: 'set spec.pod.resources within the LimitRange of the namespace',
  },
  { words: /PriorityClass/, advice: 'correct spec.pod.priorityClassName, or create that PriorityClass' },
  { words: /RuntimeClass/, advice: 'correct spec.pod.runtimeClassName, or create that RuntimeClass' },
  { words: /service ?account/i, advice: 'correct spec.pod.serviceAccountName, or create that ServiceAccount' },
  {
    words: /failed calling webhook/,
    advice: 'an admission webhook of the cluster does not answer: its owner has to mend it, or exempt the namespace',
  },
  {
    words: /admission webhook|ValidatingAdmissionPolicy/,
    advice: 'a policy of the cluster refuses it: change spec.pod to what it asks for, or have the policy changed',
  },
  // Why no node takes them
  {
    words: /PersistentVolumeClaim|storageclass/i,
    advice: 'the claim in spec.output.volumeClaim is not bound: look at it with kubectl describe pvc',
  },
  { words: /volume node affinity conflict/, advice: 'the volume of spec.output.volumeClaim is on other nodes' },
  {
    words: /Insufficient /,
    advice: 'lower spec.pod.resources.requests, or add nodes',
  },
  {
    words: /untolerated taint/,
    advice: 'add spec.pod.tolerations, or nodes without that taint',
  },
  { words: /topology spread/, advice: 'loosen spec.pod.topologySpreadConstraints, or label nodes' },
  {
    words: /node affinity\/selector|node\(s\) didn't match/,
    advice: 'correct spec.pod.nodeSelector or spec.pod.affinity, or label a node',
  },
  // Why a volume is not mounted
  { words: /volume "headers"/, advice: 'create the Secret of spec.fetch.headersSecretRef, or correct its name' },
  { words: /volume "output"/, advice: 'look at the claim of spec.output.volumeClaim with kubectl describe pvc' },
  { words: /volume "ca"/, advice: 'look at the Secret of spec.fetch.caSecretRef' },
  { words: /volume "proxy"/, advice: 'look at the Secret of spec.proxy.urlSecretRef' },
  { words: /volume "(extractor|url-lists)"/, advice: 'look at the ConfigMaps of spec.extract.module and urlsFrom' },
  { words: /volume "credentials"/, advice: 'the operator makes that Secret again within a minute' },
  // Why the node does not start the container
  {
    words: /seccomp/,
    advice: 'put the profile there (docs/browser-sandbox.md), or set spec.browser.sandbox to false',
  },
  {
    reason: 'ContainerRefused',
    words: /(secret|configmap) "[^"]*" not found|couldn't find key/i,
    advice: 'create what spec.pod.env takes its value from, or correct its name and key',
  },
  {
    reason: 'ContainerRefused',
    // The kubelet has not heard of them in time; what is missing it says the next time.
    words: /failed to sync (secret|configmap) cache/i,
    advice: 'the node cannot read now what spec.pod.env takes its value from, and tries again by itself',
  },
  {
    reason: 'ContainerRefused',
    words: /runAsNonRoot|non-root|run as root/,
    advice: 'the image of spec.image must run as a user that is a number and not 0, or set spec.pod.securityContext',
  },
  {
    reason: 'ImagePullFailed',
    words: /unauthorized|authentication|denied|forbidden|401|403/i,
    // Registries say so of an image that is not there, too.
    advice: 'correct spec.image, or, where the image is private, name a Secret in spec.pod.imagePullSecrets',
  },
  { reason: 'ImagePullFailed', words: /./, advice: 'correct spec.image, or the image in the values of the operator' },
  // Why a worker ended
  { words: /OOMKilled|OutOfMemory/, advice: 'raise spec.pod.resources.limits.memory, or lower spec.concurrency' },
  { words: /[Ee]victed|ephemeral local storage/, advice: 'raise spec.pod.resources' },
];

/** The words of Kubernetes, and after them what can be done, where that is known. */
export function withAdvice(reason: StartReason, message: string): string {
  const found = ADVICE.find((one) => (one.reason === undefined || one.reason === reason) && one.words.test(message));
  return found === undefined ? message : `${message}: ${found.advice}`;
}
