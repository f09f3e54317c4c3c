/** How much of a row fits. Decided from the width of the table and not of the window, since the details may be open beside it. */
export type Layout = 'wide' | 'medium' | 'narrow' | 'stacked';

export function layoutOf(width: number): Layout {
  if (width >= 1120) {
    return 'wide';
  }
  if (width >= 900) {
    return 'medium';
  }
  return width >= 680 ? 'narrow' : 'stacked';
}

/** Two lines per cell; or, stacked, four lines that hold the most important cells one below the other. */
export function rowHeightOf(layout: Layout): number {
  return layout === 'stacked' ? 104 : 48;
}

export function linesOf(layout: Layout): number {
  return layout === 'stacked' ? 1 : 2;
}
