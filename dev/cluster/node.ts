// The native cluster's only node: kubelet, kube-proxy and the cluster's DNS, and the files they read.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { binary } from '../setup/kubernetes-binaries.mjs';
import { clusterDirectory, projectRoot } from '../setup/paths.mjs';
import { nodeAddress, nodeName, podSubnet } from './addresses.ts';
import { runtimeSocket } from './containerd.ts';
import type { Program } from './control-plane.ts';
import { bridgedTrafficIsFiltered } from './network.ts';

export const credentials = join(clusterDirectory, 'credentials');
export const adminKubeconfig = join(credentials, 'super-admin.conf');
const config = join(clusterDirectory, 'config');
export const kubeletDirectory = join(clusterDirectory, 'kubelet');
/** Where pods with `browser.sandbox` expect it. */
const sandboxProfile = join(kubeletDirectory, 'seccomp', 'trawler', 'chromium.json');
const seccompSource = join(projectRoot, 'crawler-image', 'chromium-seccomp.json');

/** Settings for a machine that is shared with other work: no cgroup limits on it, no eviction before it is full. */
function kubeletConfig(): object {
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
    // 0 switches it off: nobody asks on the host, and the port could be taken.
    healthzPort: 0,
    cgroupDriver: 'cgroupfs',
    failCgroupV1: false,
    failSwapOn: false,
    // Nothing here needs its iptables chains, and `down` could not tell them from another kubelet's.
    makeIPTablesUtilChains: false,
    enforceNodeAllocatable: [],
    localStorageCapacityIsolation: false,
    containerRuntimeEndpoint: `unix://${runtimeSocket}`,
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

export function kubelet(): Program {
  const configPath = join(config, 'kubelet.yaml');
  return {
    name: 'kubelet',
    path: binary('kubelet'),
    args: [
      `--kubeconfig=${credentials}/kubelet.conf`,
      `--config=${configPath}`,
      `--hostname-override=${nodeName}`,
      `--node-ip=${nodeAddress}`,
      `--root-dir=${kubeletDirectory}`,
    ],
    files: { [configPath]: stringify(kubeletConfig()), [sandboxProfile]: readFileSync(seccompSource, 'utf8') },
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
