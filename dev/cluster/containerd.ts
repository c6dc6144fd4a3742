// The container runtime of a node: its configuration, and the images in it.
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { pauseImage } from '../images/catalog.ts';
import { clusterDirectory } from '../setup/paths.mjs';
import { bridgeName, podSubnet } from './addresses.ts';
import type { Program } from './control-plane.ts';
import { type ClusterNode, runtimeDirectory, runtimeSocket } from './nodes.ts';

const cniDirectory = join(clusterDirectory, 'config', 'cni');

// oom scores: lowering one needs a capability that root in a container lacks.
// Network namespaces below our own folder: so that `down` finds them all and touches no others.
const config = (node: ClusterNode) => `version = 2
root = "${join(node.directory, 'containerd')}"
state = "${join(node.runtimeDirectory, 'containerd')}"
[grpc]
  address = "${runtimeSocket(node)}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage.reference}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${cniDirectory}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`;

const podNetwork = {
  cniVersion: '1.0.0',
  name: 'trawler',
  plugins: [
    {
      type: 'bridge',
      bridge: bridgeName,
      isGateway: true,
      hairpinMode: true,
      ipam: {
        type: 'host-local',
        dataDir: join(runtimeDirectory, 'addresses'),
        ranges: [[{ subnet: podSubnet }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
  ],
};

export function containerd(node: ClusterNode): Program {
  const name = node.programs.containerd;
  const configPath = join(clusterDirectory, 'config', `${name}.toml`);
  return {
    name,
    path: 'containerd',
    args: ['--config', configPath],
    files: {
      [configPath]: config(node),
      [join(cniDirectory, '10-pods.conflist')]: JSON.stringify(podNetwork, null, 2),
    },
  };
}

/** Runs containerd's own client on the images and containers of Kubernetes; `input` goes to its standard input. */
export async function ctr(node: ClusterNode, signal: AbortSignal, args: string[], input?: Readable): Promise<string> {
  const where = ['--address', runtimeSocket(node), '--namespace', 'k8s.io'];
  const source = input ? { input } : { stdin: 'ignore' as const };
  const { stdout } = await execa('ctr', [...where, ...args], { cancelSignal: signal, ...source });
  return stdout;
}

/** Name to digest of every image in the runtime. */
export async function loadedImages(node: ClusterNode, signal: AbortSignal): Promise<Map<string, string>> {
  const rows = (await ctr(node, signal, ['images', 'ls'])).split('\n').slice(1);
  const fields = rows.map((row) => row.split(/\s+/));
  return new Map(fields.map(([name = '', , digest = '']) => [name, digest]));
}
