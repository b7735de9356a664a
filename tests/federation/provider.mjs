// A real OpenID provider for tests/federation.py, with an institution's people in it.
//
//     node provider.mjs '{"port": 4000, "kid": "one", "audience": "jinyun", "back": "http://127.0.0.1:4001/",
//                         "program": "...", "people": {"ann": {"email": "...", "groups": ["ops"]}}}'
//
// It signs with a key that it makes at its start. A PUT of /people/NAME changes a person, as its administrators
// would; `amr` and `acr` of a person are how the next sign-in goes, and stand in its ID token. Nothing here is for
// anything but tests: whoever names a person is that person.

import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const settings = JSON.parse(process.argv[2]);
const { port, kid, audience, people } = settings;
const issuer = `http://127.0.0.1:${port}`;
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' };

const about = (sub) => {
  const { email, groups } = people[sub] ?? { groups: [] };
  return { sub, preferred_username: sub, email, groups };
};

const provider = new Provider(issuer, {
  jwks: { keys: [key] },
  clients: [
    {
      client_id: 'cli', token_endpoint_auth_method: 'none', redirect_uris: [settings.back],
      application_type: 'native', response_types: ['code'], grant_types: ['authorization_code'],
      id_token_signed_response_alg: 'ES256',
    },
    {
      client_id: 'robot', client_secret: settings.program, grant_types: ['client_credentials'],
      redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256',
    },
  ],
  claims: { openid: ['sub', 'acr', 'amr', 'auth_time'], profile: ['preferred_username', 'groups'], email: ['email'] },
  scopes: ['openid', 'profile', 'email'],
  acrValues: ['urn:bank:one', 'urn:bank:two'],
  // Claims stand in the ID token too.
  conformIdTokenClaims: false,
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => about(sub) }),
  extraTokenClaims: (ctx, token) => (token.accountId
    ? about(token.accountId)
    : { preferred_username: 'robot', email: 'robot@bank.example', groups: ['programs'] }),
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => `urn:${audience}`,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'openid profile email', audience, accessTokenTTL: 600, accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  pkce: { required: () => true },
  cookies: { keys: ['for tests'] },
  ttl: { IdToken: 600, Grant: 3600, Session: 3600, Interaction: 600 },
});

const body = async (ctx) => {
  const parts = [];
  for await (const part of ctx.req) parts.push(part);
  return Buffer.concat(parts).toString();
};

provider.use(async (ctx, next) => {
  const name = ctx.path.match(/^\/people\/([a-z]+)$/)?.[1];
  if (ctx.method === 'PUT' && name) {
    people[name] = JSON.parse(await body(ctx));
    ctx.status = 204;
    return;
  }
  // Its own page takes any name and says nothing of how somebody signed in; what it takes is left to it.
  if (ctx.method === 'POST' && /^\/interaction\/[^/]+$/.test(ctx.path)) {
    const { prompt } = await provider.interactionDetails(ctx.req, ctx.res);
    if (prompt.name === 'login') {
      const accountId = new URLSearchParams(await body(ctx)).get('login');
      const { amr, acr } = people[accountId] ?? {};
      const login = { accountId, ...(amr && { amr }), ...(acr && { acr }) };
      ctx.status = 303;
      ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, { login }, { mergeWithLastSubmission: false }));
      return;
    }
  }
  await next();
});

provider.listen(port, '127.0.0.1', () => console.log(`ready ${issuer}`));
