import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const CSS = readFileSync(new URL('app.css', import.meta.url), 'utf8');
const [LIGHT, DARK] = CSS.split('prefers-color-scheme: dark');

function colours(css: string | undefined): Map<string, string> {
  return new Map(
    [...(css ?? '').matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name ?? '', value ?? '']),
  );
}

/** Relative luminance and contrast as WCAG 2.2 defines them. */
function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (red ?? 0) + 0.7152 * (green ?? 0) + 0.0722 * (blue ?? 0);
}

function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
}

const BACKGROUNDS = ['page', 'surface', 'raised', 'hover', 'selected', 'pulse', 'pulse-added'];

describe.each([
  ['light', colours(LIGHT)],
  ['dark', colours(DARK)],
])('the %s colours', (_, palette) => {
  const pairs = [
    ...['text', 'dim', 'accent', 'ok', 'warn', 'bad'].flatMap((text) =>
      BACKGROUNDS.map((background) => [text, background]),
    ),
    ['warn', 'warn-soft'],
    ['bad', 'bad-soft'],
    ['text', 'warn-soft'],
    ['text', 'bad-soft'],
  ];

  it.each(pairs)('%s on %s can be read (4.5 to 1)', (text = '', background = '') => {
    expect(contrast(palette.get(text) ?? '', palette.get(background) ?? '')).toBeGreaterThanOrEqual(4.5);
  });

  it.each(['page', 'surface', 'raised'])('the border of a control stands out from %s (3 to 1)', (background) => {
    expect(contrast(palette.get('line-strong') ?? '', palette.get(background) ?? '')).toBeGreaterThanOrEqual(3);
  });
});
