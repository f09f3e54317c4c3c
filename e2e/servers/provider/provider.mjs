// An OpenID Connect provider for tests: anybody may sign in under any name, and is in the groups that the name says after a `+`.
// The login and consent pages are oidc-provider's own for development. Usage: node provider.mjs PORT CLIENT_SECRET REDIRECT_URI SECONDS
import { Provider } from 'oidc-provider';

const [port, secret, redirect, seconds] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'dashboard',
      client_secret: secret,
      redirect_uris: [redirect],
      grant_types: ['authorization_code', 'refresh_token'],
    },
  ],
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
  // Claims in the ID token, not at the user info endpoint alone.
  conformIdTokenClaims: false,
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: () => {
      const [name, ...groups] = id.split('+');
      return { sub: id, preferred_username: name, groups };
    },
  }),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  ttl: { IdToken: Number(seconds), AccessToken: Number(seconds), RefreshToken: 600, Grant: 600, Session: 600, Interaction: 600 },
  cookies: { keys: ['for tests only'] },
});

provider.on('server_error', (_ctx, error) => console.error(error));
provider.listen(Number(port), '127.0.0.1', () => console.log(`listening on ${issuer}`));
