import type { Backend } from '../api/wire';

/** `service:port`, or `Kind/name` for a resource backend. */
export function backendText(backend: Backend | null): string {
  if (backend?.service) {
    const { name, port } = backend.service;
    const suffix = port?.name ?? (port?.number === undefined ? null : String(port.number));
    return suffix === null ? name : `${name}:${suffix}`;
  }
  if (backend?.resource) {
    return `${backend.resource.kind}/${backend.resource.name}`;
  }
  return 'none';
}

export function backendName(backend: Backend | null): string {
  return backend?.service?.name ?? backend?.resource?.name ?? '';
}
