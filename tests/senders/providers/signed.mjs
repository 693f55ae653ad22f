// Senders without a library that signs, made by their documents with node's own HMAC: Shopify, Meta, WebSub and Grafana.

import { bytes, hmac, now } from '../lib/make.mjs';

const wrong = 'another secret of the tests';
const byDocuments = (of) => `${of} documents, signed by node’s HMAC`;

const shop = 'shopify secret of the tests';

export const shopify = {
  source: 'shopify',
  env: { SHOPIFY_CLIENT_SECRET: shop },
  by: byDocuments('Shopify’s'),
  signs: ['body'],
  proof: 'X-Shopify-Hmac-SHA256',
  id: 'X-Shopify-Webhook-Id',
  secret: shop,
  wrong,
  answer: { status: 200 },
  samples: [{
    name: 'orders/create',
    capture: true,
    id: 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043',
    make: async ({ secret = shop, id, body = bytes('{"id":820982911946154508,"email":"jon@example.com","total_price":"409.94","currency":"CAD","note":"Crème brûlée \\u0026 more"}') }) => ({
      target: '/webhooks/shopify',
      headers: [
        ['Content-Type', 'application/json'],
        ['User-Agent', 'Shopify-Captain-Hook'],
        ['X-Shopify-Topic', 'orders/create'],
        ['X-Shopify-Hmac-SHA256', hmac(secret, body, { encoding: 'base64' })],
        ['X-Shopify-Shop-Domain', 'example.myshopify.com'],
        ['X-Shopify-API-Version', '2025-07'],
        ['X-Shopify-Webhook-Id', id],
        ['X-Shopify-Event-Id', '98880550-7158-44d4-b7cd-2c97c8a091b5'],
        ['X-Shopify-Triggered-At', '2023-11-14T22:13:20.123456789Z'],
      ],
      body,
    }),
    events: ({ body }) => [{ topic: 'shopify', type: 'orders/create', data: body.toString('utf8') }],
  }],
};

const app = 'meta secret of the tests';
/** Meta escapes what is not ASCII, and signs the escapes. */
const change = (id) => bytes(`{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","messages":[{"from":"15550783881","id":"wamid.${id}","timestamp":"1700000000","type":"text","text":{"body":"caf\\u00e9 \\ud83d\\ude00"}}]},"field":"messages"}]}]}`);

export const meta = {
  source: 'meta',
  env: { META_APP_SECRET: app, META_VERIFY_TOKEN: 'meta verify token of the tests' },
  by: byDocuments('Meta’s'),
  signs: ['body'],
  proof: 'X-Hub-Signature-256',
  secret: app,
  wrong,
  answer: { status: 200 },
  samples: [{
    name: 'messages',
    capture: true,
    id: 'HBgLMTU1NTA3ODM4ODE',
    make: async ({ secret = app, id, body = change(id) }) => ({
      target: '/webhooks/meta',
      headers: [
        ['Content-Type', 'application/json'],
        ['User-Agent', 'facebookexternalua'],
        ['X-Hub-Signature', `sha1=${hmac(secret, body, { algorithm: 'sha1' })}`],
        ['X-Hub-Signature-256', `sha256=${hmac(secret, body)}`],
      ],
      body,
    }),
    events: ({ body }) => [{ topic: 'meta.whatsapp_business_account', type: 'whatsapp_business_account', data: body.toString('utf8') }],
  }],
};

const hub = 'websub secret of the tests';
const feed = (id) => bytes(`<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom"><title>Bücher</title><entry><id>urn:uuid:${id}</id></entry></feed>\n`);

export const websub = {
  source: 'websub',
  env: { WEBSUB_SECRET: hub },
  by: byDocuments('the W3C’s'),
  signs: ['body'],
  proof: 'X-Hub-Signature',
  secret: hub,
  wrong,
  answer: { status: 202 },
  samples: ['sha256', 'sha1', 'sha512'].map((algorithm, index) => ({
    name: algorithm,
    capture: index === 0,
    id: '60a76c80-d399-11d9-b91c-0003939e0af6',
    make: async ({ secret = hub, id, body = feed(id) }) => ({
      target: '/webhooks/websub',
      headers: [
        ['Content-Type', 'application/atom+xml; charset=utf-8'],
        ['Link', '<https://hub.example/>; rel="hub", <https://blog.example/feed.xml>; rel="self"'],
        ['X-Hub-Signature', `${algorithm}=${hmac(secret, body, { algorithm })}`],
      ],
      body,
    }),
    events: ({ body }) => [{ topic: 'feeds.blog', type: 'message', data: body.toString('utf8') }],
  })),
};

const alerting = 'grafana secret of the tests';
const alert = (status, number, id) => ({
  status, labels: { alertname: 'HighLatency', grafana_folder: 'Shop', instance: `web-${number}` },
  annotations: { summary: `p99 > 1 s on web-${number} – “slow”` }, startsAt: '2023-11-14T22:13:20Z', endsAt: '0001-01-01T00:00:00Z',
  generatorURL: 'https://grafana.example/alerting/grafana/1/view', fingerprint: `${id}${number}`, values: { B: 44.23, C: 1 },
});
const notification = (id) => bytes(JSON.stringify({
  receiver: 'sidestream', status: 'firing', alerts: [alert('firing', 1, id), alert('resolved', 2, id)],
  groupLabels: { alertname: 'HighLatency' }, commonLabels: { alertname: 'HighLatency', grafana_folder: 'Shop' },
  commonAnnotations: {}, externalURL: 'https://grafana.example/', version: '1', groupKey: '{}:{alertname="HighLatency"}',
  truncatedAlerts: 0, orgId: 1, title: '[FIRING:1, RESOLVED:1]', state: 'alerting', message: '**Firing**\n\n',
}));

export const grafana = {
  source: 'grafana',
  env: { GRAFANA_WEBHOOK_SECRET: alerting },
  by: byDocuments('Grafana’s'),
  signs: ['body', 'time'],
  proof: 'X-Grafana-Alerting-Signature',
  time: 'X-Grafana-Alerting-Timestamp',
  secret: alerting,
  wrong,
  answer: { status: 202 },
  samples: [{
    name: 'two alerts',
    capture: true,
    id: '57c6d9296de2ad39',
    make: async ({ secret = alerting, id, time = now(), body = notification(id) }) => ({
      target: '/webhooks/grafana',
      headers: [
        ['Content-Type', 'application/json'],
        ['User-Agent', 'Grafana'],
        ['X-Grafana-Alerting-Timestamp', String(time)],
        ['X-Grafana-Alerting-Signature', hmac(secret, `${time}:${body.toString('utf8')}`)],
      ],
      body,
    }),
    events: ({ id }) => [alert('firing', 1, id), alert('resolved', 2, id)].map((json) => ({
      topic: 'alerts.HighLatency', type: json.status, data: { json },
    })),
  }],
};
