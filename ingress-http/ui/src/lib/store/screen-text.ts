import type { LaneError } from '../api/wire';
import { formatClock } from '../format/age';
import { formatNumber } from '../format/count';
import { sentence } from '../format/sentence';
import type { Tone } from '../format/status';
import type { Screen } from './screen';
import { restrictedText, unknownText } from './sight';

export interface ScreenText {
  /** `null` for what is neither good nor bad news. */
  tone: Tone | null;
  title: string;
  paragraphs: string[];
  /** The cluster's own words. */
  reason: LaneError | null;
  /** The rule that would make it work. */
  rbac: string | null;
}

/** What this server needs, and nothing more. */
export const RBAC_RULE = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: ingress-viewer
rules:
  - apiGroups: ["networking.k8s.io"]
    resources: ["ingresses"]
    verbs: ["get", "list", "watch"]
  - apiGroups: [""]
    resources: ["namespaces"]
    verbs: ["get", "list", "watch"]`;

const RESTRICTED_MATCH = 'You may not see all namespaces, so there may be one that is not shown to you.';

/** The words of each screen without rows. */
export function describeScreen(screen: Exclude<Screen, { type: 'table' }>, now: number): ScreenText {
  const text = (tone: Tone | null, title: string, ...paragraphs: string[]): ScreenText => ({
    tone,
    title,
    paragraphs,
    reason: null,
    rbac: null,
  });
  switch (screen.type) {
    case 'loading':
      if (screen.stage === 'connecting') {
        return text('unknown', 'Connecting to the server…');
      }
      return screen.received === 0
        ? text('unknown', 'Reading ingresses…')
        : text('unknown', 'Reading ingresses…', `${formatNumber(screen.received)} so far.`);
    case 'server-lost':
      if (screen.failure.kind === 'access-unknown') {
        return text(
          'unknown',
          'It is not known what you may see',
          sentence(screen.failure.message),
          'Until it is known, nothing is shown. This page tries again by itself.',
        );
      }
      return text(
        'bad',
        'No connection to the server',
        sentence(screen.failure.message),
        `Nothing is known since ${formatClock(screen.since, now)}. This page tries again by itself.`,
      );
    case 'cluster-waiting':
      return {
        ...text(
          screen.error === null ? 'unknown' : 'warn',
          screen.error === null ? 'Waiting for the cluster…' : 'The cluster has not been read yet',
          'Nothing is known of its ingresses so far. The server keeps trying.',
        ),
        reason: screen.error,
      };
    case 'denied':
      return deniedText(text, screen.error);
    case 'no-lanes':
      return text(
        'unknown',
        'Nothing is being read yet',
        'The server has not told of any feed from a cluster, so it is not known whether there are ingresses.',
      );
    case 'access-unknown':
      return text('unknown', 'It is not known what you may see', unknownText(screen.unknown));
    case 'restricted':
      return text(
        null,
        screen.all ? 'There is nothing here that you may see' : 'No ingresses among what you may see',
        screen.all
          ? 'You may not list the ingresses of any namespace that is watched here.'
          : restrictedText(screen.restricted),
        screen.all
          ? 'Whoever runs the cluster can let you list the ingresses of a namespace; they appear here then.'
          : 'Whether there are others is not told. One that you may see appears here at once.',
      );
    case 'empty':
      return text(
        'ok',
        'There are no ingresses',
        'Every namespace in view is current, and none of them holds an ingress. A new one appears here at once.',
      );
    case 'empty-partial':
      return text(
        'warn',
        'No ingresses in what could be read',
        'Some namespaces could not be read, or not yet, so there may be ingresses that are not known here. The list of feeds above tells which.',
      );
    case 'unjudged':
      return screen.message === null
        ? text('unknown', 'Reading verdicts…')
        : text(
            'unknown',
            'Whether routes work is not known',
            screen.message,
            'So nothing can be chosen by its verdict. This page tries again by itself.',
          );
    case 'no-match':
      return screen.partial
        ? text(
            'warn',
            'No known ingress matches the filters',
            'Not everything is current, so there may be one that is not known here. The list of feeds above tells which.',
            ...(screen.restricted ? [RESTRICTED_MATCH] : []),
          )
        : text(null, 'No ingress matches the filters', ...(screen.restricted ? [RESTRICTED_MATCH] : []));
  }
}

function deniedText(
  text: (tone: Tone | null, title: string, ...paragraphs: string[]) => ScreenText,
  error: LaneError | null,
): ScreenText {
  // A refused identity is not mended by a role, so the two refusals get different advice.
  if (error?.reason === 'Unauthorized') {
    return {
      ...text(
        'bad',
        'The cluster rejects the credentials',
        'It does not accept the token or certificate this server presents. It may have expired or belong to another cluster.',
      ),
      reason: error,
    };
  }
  return {
    ...text(
      'bad',
      'The cluster does not allow reading its ingresses',
      'This server reached the cluster, and every request for ingresses was refused. Whether there are any is not known.',
    ),
    reason: error,
    rbac: RBAC_RULE,
  };
}
