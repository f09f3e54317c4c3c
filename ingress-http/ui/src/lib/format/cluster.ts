import type { ClusterInfo } from '../api/wire';

const ORIGINS: Record<string, string> = {
  argument: 'from the command line',
  KUBECONFIG: 'from $KUBECONFIG',
  'in-cluster': "the cluster's own service account",
  home: 'from ~/.kube/config',
  rke2: 'from the RKE2 kubeconfig',
  kubeadm: 'from the kubeadm admin.conf',
  client: 'handed in by the host application',
  demo: 'simulated',
};

/** How the cluster was found, in words. An origin that this page does not know is shown as it is. */
export function originText(origin: string): string {
  return ORIGINS[origin] ?? origin;
}

/** Everything known of where a cluster comes from, for a title. */
export function clusterTitle(cluster: ClusterInfo): string {
  return [cluster.cluster, originText(cluster.origin), cluster.detail, cluster.server]
    .filter((part) => part !== null && part !== '')
    .join('\n');
}
