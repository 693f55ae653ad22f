// GitLab, Gitea and Forgejo. None of them has a library that signs: made by their documents, but for GitLab's signature,
// which is Standard Webhooks and made by that library.

import { Webhook } from 'standardwebhooks';
import { bytes, hmac, now, whsec } from '../lib/make.mjs';

const push = bytes(JSON.stringify({
  object_kind: 'push', event_name: 'push', before: '95790bf891e76fee5e1747ab589903a6a1f80f22',
  after: 'da1560886d4f094c3e6c9ef40349f7d38b5d27d7', ref: 'refs/heads/main', user_id: 4, user_name: 'Jöhn Smith',
  project_id: 15,
  project: { id: 15, name: 'Diaspora', web_url: 'https://gitlab.example/mike/diaspora', path_with_namespace: 'mike/diaspora' },
  commits: [], total_commits_count: 0,
}));

const gitlab = (id, more) => [
  ['Content-Type', 'application/json'],
  ['User-Agent', 'GitLab/18.10.0'],
  ['Idempotency-Key', id],
  ['X-Gitlab-Event', 'Push Hook'],
  ['X-Gitlab-Webhook-UUID', '13792a34-cac6-4fda-95a8-c58e00a3954e'],
  ['X-Gitlab-Instance', 'https://gitlab.example'],
  ['X-Gitlab-Event-UUID', 'e8a5bd9c-3f9b-4d3f-8a6f-8b8c1c2f4a10'],
  ...more,
];
const ofGitlab = ({ body }) => [{ topic: 'gitlab.15', type: 'Push Hook', data: body.toString('utf8') }];

const signing = whsec('gitlab secret of the tests');

export const gitlabSigned = {
  source: 'gitlab',
  env: { GITLAB_SIGNING_TOKEN: signing },
  by: 'GitLab’s documents, signed by npm standardwebhooks 1.1.1',
  signs: ['body', 'id', 'time'],
  proof: 'webhook-signature',
  id: 'webhook-id',
  time: 'webhook-timestamp',
  secret: signing,
  wrong: whsec('another secret of the tests'),
  answer: { status: 202 },
  samples: [{
    name: 'Push Hook',
    capture: true,
    id: 'f5e5f430-f57b-4e6e-9fac-d9128cd7232f',
    async make({ secret = signing, id, time = now(), body = push }) {
      const signature = new Webhook(secret).sign(id, new Date(time * 1000), body.toString('utf8'));
      const signed = [['webhook-id', id], ['webhook-timestamp', String(time)], ['webhook-signature', signature]];
      return { target: '/webhooks/gitlab', headers: gitlab(id, signed), body };
    },
    events: ofGitlab,
  }],
};

const token = 'gitlab token of the tests';

export const gitlabToken = {
  source: 'gitlab-token',
  env: { GITLAB_SECRET_TOKEN: token },
  by: 'GitLab’s documents',
  signs: [],
  proof: 'X-Gitlab-Token',
  id: 'Idempotency-Key',
  secret: token,
  wrong: 'another token of the tests',
  answer: { status: 202 },
  samples: [{
    name: 'Push Hook',
    capture: true,
    id: 'f5e5f430-f57b-4e6e-9fac-d9128cd7232f',
    make: async ({ secret = token, id, body = push }) => ({
      target: '/webhooks/gitlab-token', headers: gitlab(id, [['X-Gitlab-Token', secret]]), body,
    }),
    events: ofGitlab,
  }],
};

/** Both send GitHub's header fields as well, and Forgejo those of Gitea and Gogs. */
const forge = (source, title, more) => {
  const secret = `${source} secret of the tests`;
  const body = bytes(JSON.stringify({
    ref: 'refs/heads/main', before: '28e1879d029cb852e4844d9c718537df08844e03', after: 'bffeb74224043ba2feb48d137756c8a9331c449a',
    commits: [], repository: { id: 140, name: 'webhooks', full_name: 'gitea/webhooks', private: false },
    pusher: { id: 1, login: 'gitea', full_name: 'Gîtea' }, sender: { id: 1, login: 'gitea' },
  }, null, 2));
  return {
    source,
    env: { [`${source.toUpperCase()}_WEBHOOK_SECRET`]: secret },
    by: `${title}’s documents`,
    signs: ['body'],
    proof: `X-${title}-Signature`,
    id: `X-${title}-Delivery`,
    secret,
    wrong: 'another secret of the tests',
    answer: { status: 202 },
    samples: [{
      name: 'push',
      capture: true,
      id: 'f6266f16-1bf3-46a5-9ea4-602e06ead473',
      async make({ secret: by = secret, id, body: sent = body }) {
        const hex = hmac(by, sent);
        const names = [...more, title].flatMap((name) => [
          [`X-${name}-Delivery`, id], [`X-${name}-Event`, 'push'], [`X-${name}-Event-Type`, 'push'], [`X-${name}-Signature`, hex],
        ]);
        const github = [
          ['X-GitHub-Delivery', id], ['X-GitHub-Event', 'push'], ['X-GitHub-Event-Type', 'push'],
          ['X-Hub-Signature', `sha1=${hmac(by, sent, { algorithm: 'sha1' })}`], ['X-Hub-Signature-256', `sha256=${hex}`],
        ];
        return {
          target: `/webhooks/${source}`,
          headers: [['Content-Type', 'application/json'], ['User-Agent', 'Go-http-client/1.1'], ...names, ...github],
          body: sent,
        };
      },
      events: ({ body: sent }) => [{ topic: `${source}.webhooks`, type: 'push', data: sent.toString('utf8') }],
    }],
  };
};

export const gitea = forge('gitea', 'Gitea', ['Gogs']);
export const forgejo = forge('forgejo', 'Forgejo', ['Gogs', 'Gitea']);
