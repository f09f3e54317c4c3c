import { mount } from 'svelte';
import './app.css';
import App from './App.svelte';
import { apiBase } from './lib/api/base';
import { ApiClient } from './lib/api/client';
import { Dashboard } from './lib/store/dashboard.svelte';
import { browserQueueEnv } from './lib/store/queue';
import { recallAddress } from './lib/store/sign-in';

const target = document.getElementById('app');
if (target === null) {
  throw new Error('The page has no element to draw into.');
}
recallAddress();
const moduleUrl = import.meta.url;
const browserFetch: typeof fetch = (input, init) => window.fetch(input, init);
const client = new ApiClient(apiBase(moduleUrl, document.baseURI, import.meta.env.PROD), browserFetch);
const dashboard = new Dashboard({ client, fetch: browserFetch, queue: browserQueueEnv() });
dashboard.start();
mount(App, { target, props: { dashboard } });
