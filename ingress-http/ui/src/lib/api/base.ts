/**
 * Where the router is nested. The page itself may have been asked for with or without a trailing slash, so its own
 * address does not tell; the bundle always lies in `assets/` directly below. While developing there is no bundle, and
 * the page lies at the root.
 */
export function apiBase(moduleUrl: string, documentUri: string, bundled: boolean): string {
  return new URL(bundled ? '../' : './', bundled ? moduleUrl : documentUri).href;
}
