// The addresses and names that clusters made here use.

/** Services of a cluster get their addresses here; the API server's own Service is the first of them. */
export const serviceSubnet = '10.96.0.0/16';

/** Pods of the native cluster's node. */
export const podSubnet = '10.244.0.0/24';

/** The bridge on the host: gateway of the pods, address of the node, of the API server and of DNS. */
export const nodeAddress = '10.244.0.1';

/** Named for us: other container tools have bridges of their own. */
export const bridgeName = 'trawler0';
/** Locally administered. A bridge without one takes the least of its ports', and so another with pods that come and go. */
export const bridgeHardwareAddress = '02:74:72:61:77:6c';

export const nodeName = 'trawler';

/** Where Trawler is installed. */
export const trawlerNamespace = 'trawler-system';
