import type { Health } from '../api/wire';

/** What is known of the cluster's API server, and since when. */
export type HealthState =
  | { type: 'unknown' }
  | { type: 'known'; health: Health; at: number }
  | { type: 'failed'; message: string; at: number; retryAt: number | null };
