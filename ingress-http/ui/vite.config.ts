import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { mockApi } from './dev/mock.ts';

export default defineConfig(({ command, mode }) => ({
  // The router may be nested under any path, so no URL in the build is absolute.
  base: './',
  plugins: [svelte(), ...(command === 'serve' && mode !== 'test' ? [mockApi()] : [])],
  build: {
    target: 'es2022',
    // One script: `src/lib/api/base.ts` derives the API's address from where that script lies, and the polyfill
    // for module preloading would only add code that has nothing to preload.
    modulePreload: false,
    rolldownOptions: { output: { codeSplitting: false } },
    // Inlined assets would need `data:` in the content security policy.
    assetsInlineLimit: 0,
    cssCodeSplit: false,
  },
  // Outside the browser, Svelte's package would otherwise resolve to its server build.
  resolve: mode === 'test' ? { conditions: ['browser'] } : {},
  test: {
    environment: 'node',
    include: ['src/**/*.test.ts', 'dev/**/*.test.ts'],
  },
}));
