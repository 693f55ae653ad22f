// Senders that sign nothing and send a credential along: CloudEvents by its library, Event Grid, Alertmanager and a registry
// by their documents. The last two are tried for real as well, in alertmanager.mjs and registry.mjs, and were written by what
// was seen there.

import { CloudEvent, HTTP } from 'cloudevents';
import { bytes } from '../lib/make.mjs';

const bearer = (token) => ['Authorization', `Bearer ${token}`];
const common = { signs: [], proof: 'Authorization', wrong: 'another-token-of-the-tests', answer: { status: 202 } };

// ---- CloudEvents ---------------------------------------------------------------------------------

const cloudToken = 'cloudevents-token-of-the-tests';
const TYPE = 'com.example.order.created';

const event = (id, more = {}) => new CloudEvent({
  id, type: TYPE, source: 'https://shop.example/orders', subject: '42', time: '2023-11-14T22:13:20.000Z',
  datacontenttype: 'application/json', data: { order: 42, name: 'Käse 🧀' }, tenant: 'acme', ...more,
});
const attributes = (id) => JSON.parse(event(id).toString());

/** What the library makes, as a request. */
const sent = (token, { headers, body }, changed) => ({
  target: '/webhooks/cloudevents',
  headers: [...Object.entries(headers), bearer(token)],
  body: changed ?? bytes(body),
});

/** There is no batch in the library that could be sent: a list of what it makes of each. */
const batch = (ids) => ({
  headers: { 'content-type': 'application/cloudevents-batch+json; charset=utf-8' },
  body: `[${ids.map((id) => event(id).toString()).join(',')}]`,
});

const modes = {
  binary: [(id) => HTTP.binary(event(id)), (id) => [attributes(id)]],
  structured: [(id) => HTTP.structured(event(id)), (id) => [attributes(id)]],
  'a batch': [(id) => batch([id, `${id}-b`]), (id) => [attributes(id), attributes(`${id}-b`)]],
};

export const cloudevents = {
  ...common,
  source: 'cloudevents',
  env: { CLOUDEVENTS_TOKEN: cloudToken },
  by: 'npm cloudevents 10.0.0',
  secret: cloudToken,
  samples: Object.entries(modes).map(([name, [write, envelopes]]) => ({
    name,
    capture: `cloudevents-${name.replace('a ', '')}`,
    id: 'A234-1234-1234',
    make: async ({ secret = cloudToken, id, body }) => sent(secret, write(id), body),
    events: ({ id }) => envelopes(id).map((json) => ({ topic: `events.${TYPE}`, type: TYPE, data: { json } })),
  })),
};

// ---- Event Grid ----------------------------------------------------------------------------------

const gridKey = 'event-grid-key-of-the-tests';

export const eventGrid = {
  ...common,
  source: 'eventgrid',
  env: { EVENT_GRID_KEY: gridKey },
  by: 'Microsoft’s documents',
  proof: 'X-Sidestream-Key',
  secret: gridKey,
  samples: [{
    name: 'BlobCreated',
    capture: true,
    id: '831e1650-001e-001b-66ab-eeb76e069631',
    make: async ({
      secret = gridKey, id,
      body = bytes(JSON.stringify([{
        topic: '/subscriptions/0/resourceGroups/shop/providers/Microsoft.Storage/storageAccounts/shop',
        subject: '/blobServices/default/containers/in/blobs/a.txt', eventType: 'Microsoft.Storage.BlobCreated', id,
        eventTime: '2023-11-14T22:13:20.123Z', data: { api: 'PutBlob', contentLength: 524_288 }, dataVersion: '', metadataVersion: '1',
      }])),
    }) => ({
      target: '/webhooks/eventgrid',
      headers: [
        ['Content-Type', 'application/json; charset=utf-8'],
        ['aeg-event-type', 'Notification'],
        ['aeg-subscription-name', 'SIDESTREAM'],
        ['aeg-delivery-count', '0'],
        ['X-Sidestream-Key', secret],
      ],
      body,
    }),
    events: ({ body }) => JSON.parse(body.toString('utf8')).map((json) => ({
      topic: 'eventgrid.Microsoft.Storage.BlobCreated', type: json.eventType, data: { json },
    })),
  }],
};

// ---- Alertmanager --------------------------------------------------------------------------------

export const alertToken = 'alertmanager-token-of-the-tests';

/** As Alertmanager 0.25.0 sent one (alertmanager.mjs), with other names; Go escapes what could be HTML. */
const written = (notification) => bytes(`${JSON.stringify(notification).replaceAll('&', '\\u0026')}\n`);

const notification = (id) => ({
  receiver: 'sidestream', status: 'firing',
  alerts: [{
    status: 'firing', labels: { alertname: 'InstanceDown', instance: 'web-1', job: 'web' },
    annotations: { summary: 'web-1 is down – “gone”' }, startsAt: '2023-11-14T22:13:20.123Z', endsAt: '0001-01-01T00:00:00Z',
    generatorURL: 'http://prometheus.example/graph?g0.expr=up+%3D%3D+0&g0.tab=1', fingerprint: id,
  }],
  groupLabels: { alertname: 'InstanceDown' }, commonLabels: { alertname: 'InstanceDown', instance: 'web-1', job: 'web' },
  commonAnnotations: { summary: 'web-1 is down – “gone”' }, externalURL: 'http://alertmanager.example', version: '4',
  groupKey: '{}/{}:{alertname="InstanceDown"}', truncatedAlerts: 0,
});

export const alertmanager = {
  ...common,
  source: 'alertmanager',
  env: { ALERTMANAGER_TOKEN: alertToken },
  by: 'by hand, as Debian’s Alertmanager 0.25.0 sends them',
  secret: alertToken,
  samples: [{
    name: 'InstanceDown',
    capture: true,
    id: '6ef6d4b2a4f2c1e0',
    make: async ({ secret = alertToken, id, body = written(notification(id)) }) => ({
      target: '/webhooks/alertmanager',
      headers: [['User-Agent', 'Alertmanager/0.25.0'], ['Content-Type', 'application/json'], bearer(secret)],
      body,
    }),
    events: ({ id }) => [{ topic: 'alerts.InstanceDown', type: 'firing', data: { json: notification(id).alerts[0] } }],
  }],
};

// ---- A registry ----------------------------------------------------------------------------------

export const registryToken = 'registry-token-of-the-tests';

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const pushed = (id, action, mediaType) => ({
  id, timestamp: '2023-11-14T22:13:20.123456789Z', action,
  target: {
    mediaType, size: 708, digest: 'sha256:fea8895f450959fa676bcc1df0611ea93823a735a01205fd8622846041d0c7cf', length: 708,
    repository: 'team/shop', url: 'https://registry.example/v2/team/shop/manifests/sha256:fea8', ...(mediaType === MANIFEST && { tag: 'v1' }),
  },
  request: { id: '6df24a34-0959-4923-81ca-14f09767db19', addr: '192.0.2.11:42961', host: 'registry.example', method: 'PUT', useragent: 'docker/27' },
  actor: {}, source: { addr: 'registry-0:5000', instanceID: 'a53db899-3b4b-4a62-a067-8dd013beaca4' },
});

export const registry = {
  ...common,
  source: 'registry',
  env: { REGISTRY_TOKEN: registryToken },
  by: 'by hand, as Debian’s docker-registry 2.8.2 sends them',
  secret: registryToken,
  samples: [{
    name: 'three events, of which one is a tag that was pushed',
    capture: true,
    id: 'asdf-asdf-asdf-asdf-0',
    make: async ({
      secret = registryToken, id,
      body = bytes(JSON.stringify({
        events: [
          pushed(`${id}-layer`, 'push', 'application/octet-stream'), pushed(id, 'push', MANIFEST), pushed(`${id}-pull`, 'pull', MANIFEST),
        ],
      }, null, 3)),
    }) => ({
      target: '/webhooks/registry',
      headers: [['User-Agent', 'Go-http-client/1.1'], ['Content-Type', 'application/vnd.docker.distribution.events.v1+json'], bearer(secret)],
      body,
    }),
    events: ({ id }) => [{ topic: 'registry.team~2Fshop', type: 'push', data: { json: pushed(id, 'push', MANIFEST) } }],
  }],
};
