// The native cluster's container runtime: its configuration, and the images in it.
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { pauseImage } from '../images/catalog.ts';
import { clusterDirectory } from '../setup/paths.mjs';
import { bridgeName, podSubnet } from './addresses.ts';
import type { Program } from './control-plane.ts';

/** Short, because socket paths may be 107 bytes long and shims put theirs below. */
export const runtimeDirectory = '/run/trawler-cluster';
export const runtimeSocket = `${runtimeDirectory}/containerd.sock`;

const configPath = join(clusterDirectory, 'config', 'containerd.toml');
const cniDirectory = join(clusterDirectory, 'config', 'cni');

// oom scores: lowering one needs a capability that root in a container lacks.
// Network namespaces below our own folder: so that `down` finds them all and touches no others.
const config = `version = 2
root = "${join(clusterDirectory, 'containerd')}"
state = "${runtimeDirectory}/containerd"
[grpc]
  address = "${runtimeSocket}"
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

export const containerd: Program = {
  name: 'containerd',
  path: 'containerd',
  args: ['--config', configPath],
  files: { [configPath]: config, [join(cniDirectory, '10-pods.conflist')]: JSON.stringify(podNetwork, null, 2) },
};

/** Runs containerd's own client on the images and containers of Kubernetes; `input` goes to its standard input. */
export async function ctr(signal: AbortSignal, args: string[], input?: Readable): Promise<string> {
  const where = ['--address', runtimeSocket, '--namespace', 'k8s.io'];
  const source = input ? { input } : { stdin: 'ignore' as const };
  const { stdout } = await execa('ctr', [...where, ...args], { cancelSignal: signal, ...source });
  return stdout;
}

/** Name to digest of every image in the runtime. */
export async function loadedImages(signal: AbortSignal): Promise<Map<string, string>> {
  const rows = (await ctr(signal, ['images', 'ls'])).split('\n').slice(1);
  const fields = rows.map((row) => row.split(/\s+/));
  return new Map(fields.map(([name = '', , digest = '']) => [name, digest]));
}
