// What runs on a node beside its container runtime: the kubelet; on the first one kube-proxy and the cluster's DNS, too. And the files they read.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { binary } from '../setup/kubernetes-binaries.mjs';
import { clusterDirectory, projectRoot } from '../setup/paths.mjs';
import { nodeAddress, nodeName, podSubnet } from './addresses.ts';
import type { Program } from './control-plane.ts';
import { bridgedTrafficIsFiltered } from './network.ts';
import { type ClusterNode, firstNode, kubeletDirectory, runtimeSocket } from './nodes.ts';

export const credentials = join(clusterDirectory, 'credentials');
export const adminKubeconfig = join(credentials, 'super-admin.conf');
const config = join(clusterDirectory, 'config');
/** Where pods with `browser.sandbox` expect it. */
const sandboxProfile = join('seccomp', 'trawler', 'chromium.json');
const seccompSource = join(projectRoot, 'crawler-image', 'chromium-seccomp.json');

/** Settings for a machine that is shared with other work: no cgroup limits on it, no eviction before it is full. */
function kubeletConfig(node: ClusterNode): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: `${credentials}/pki/ca.crt` },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: `${credentials}/pki/kubelet.crt`,
    tlsPrivateKeyFile: `${credentials}/pki/kubelet.key`,
    address: nodeAddress,
    port: node.kubeletPort,
    // 0 switches it off: nobody asks on the host, and the port could be taken.
    healthzPort: 0,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: node.cgroup,
    registerWithTaints: node.taints,
    // Each kubelet removes the logs of pods that it does not know.
    podLogsDir: join(node.directory, 'pod-logs'),
    failCgroupV1: false,
    failSwapOn: false,
    // Nothing here needs its iptables chains, and `down` could not tell them from another kubelet's.
    makeIPTablesUtilChains: false,
    enforceNodeAllocatable: [],
    localStorageCapacityIsolation: false,
    containerRuntimeEndpoint: `unix://${runtimeSocket(node)}`,
    clusterDNS: [nodeAddress],
    clusterDomain: 'cluster.local',
    // Images are loaded by hand and cannot be pulled again: never collect them.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
  };
}

function kubeProxyConfig(): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    clientConnection: { kubeconfig: adminKubeconfig },
    mode: 'nftables',
    clusterCIDR: podSubnet,
    hostnameOverride: nodeName,
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    nftables: { masqueradeAll: !bridgedTrafficIsFiltered() },
    // The host's own settings for connection tracking stay as they are.
    conntrack: { maxPerCore: 0, min: 0 },
  };
}

/** Names outside the cluster go to the host's own resolver. */
const corefile = `.:53 {
    bind ${nodeAddress}
    errors
    cache 5
    kubernetes cluster.local in-addr.arpa {
        kubeconfig ${adminKubeconfig} kubernetes-super-admin@kubernetes
    }
    forward . /etc/resolv.conf
}
`;

export function kubelet(node: ClusterNode): Program {
  const name = node.programs.kubelet;
  const configPath = join(config, `${name}.yaml`);
  // Only the first has credentials as a node's.
  const kubeconfig = node === firstNode ? join(credentials, 'kubelet.conf') : adminKubeconfig;
  const directory = kubeletDirectory(node);
  return {
    name,
    path: binary('kubelet'),
    args: [
      // The one program of all components goes by the name that it is called by, else by its first argument.
      ...(name === 'kubelet' ? [] : ['kubelet']),
      `--kubeconfig=${kubeconfig}`,
      `--config=${configPath}`,
      `--hostname-override=${node.name}`,
      `--node-ip=${nodeAddress}`,
      `--node-labels=${Object.entries(node.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(',')}`,
      `--root-dir=${directory}`,
    ],
    files: {
      [configPath]: stringify(kubeletConfig(node)),
      [join(directory, sandboxProfile)]: readFileSync(seccompSource, 'utf8'),
    },
  };
}

export function kubeProxy(): Program {
  const configPath = join(config, 'kube-proxy.yaml');
  return {
    name: 'kube-proxy',
    path: binary('kube-proxy'),
    args: [`--config=${configPath}`],
    files: { [configPath]: stringify(kubeProxyConfig()) },
  };
}

export function coreDns(): Program {
  const configPath = join(config, 'Corefile');
  return { name: 'coredns', path: binary('coredns'), args: ['-conf', configPath], files: { [configPath]: corefile } };
}
