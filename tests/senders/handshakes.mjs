// What senders ask before they send: answered as each of them expects, and never an event.

import assert from 'node:assert/strict';
import { check } from '../clients/lib/checks.mjs';
import discord, { make as ofDiscord } from './providers/discord.mjs';
import { eventGrid } from './providers/credentials.mjs';
import { meta } from './providers/signed.mjs';
import { signed, slack } from './providers/slack.mjs';
import { difference } from './lib/gateway.mjs';
import { withField } from './lib/http.mjs';
import { bytes, freshId } from './lib/make.mjs';
import { signature } from './lib/python.mjs';

/** Runs a check in which `handshakes` are answered, `others` are counted, and nothing is published. */
const asked = (gateway, source, name, others, run) => check(`${source}: ${name}`, async () => {
  const counts = await gateway.counts(source);
  const seen = gateway.events.list.length;
  const handshakes = await run();
  assert.deepEqual(difference(counts, await gateway.counts(source)), { handshake: handshakes, ...others });
  assert.equal(gateway.events.list.length, seen, 'nothing is published');
});

const plain = (answer, text) => {
  assert.equal(answer.status, 200, answer.body);
  assert.equal(answer.body, text);
  assert.match(answer.headers['content-type'], /^text\/plain/);
  assert.equal(answer.headers['x-content-type-options'], 'nosniff');
};

const get = (path, parameters) => ({ method: 'GET', target: `${path}?${new URLSearchParams(parameters)}` });

/** The checks. */
export const handshakes = (gateway) => [
  () => asked(gateway, 'slack', 'url_verification gets its challenge, if it is signed', { unauthorized: 1 }, async () => {
    const body = bytes(JSON.stringify({ token: 'Jhj5dZrVaK7ZwHHjRyZWjbDl', challenge: '3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P', type: 'url_verification' }));
    const request = await signed('/webhooks/slack', 'application/json', () => body)({});
    plain(await gateway.send(request), '3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P');
    const forged = await signed('/webhooks/slack', 'application/json', () => body)({ secret: slack.wrong });
    const refused = await gateway.send(forged);
    assert.equal(refused.status, 401);
    assert.doesNotMatch(refused.body, /3eZbrw1a/);
    return 1;
  }),

  () => asked(gateway, 'discord', 'both PINGs are answered, if they are signed', { unauthorized: 2 }, async () => {
    assert.equal(await signature('discord_public_key', { secret: discord.secret }), discord.env.DISCORD_PUBLIC_KEY);
    const event = bytes('{"version":1,"application_id":"1234560123453231555","type":0}');
    const interaction = bytes('{"app_permissions":"562949953601536","application_id":"1234560123453231555","id":"1","token":"unused","type":1,"version":1}');
    const answer = await gateway.send(await ofDiscord({ body: event }));
    assert.equal(answer.status, 204, answer.body);
    const pong = await gateway.send(await ofDiscord({ body: interaction }));
    assert.equal(pong.status, 200, pong.body);
    assert.match(pong.headers['content-type'], /^application\/json/);
    assert.deepEqual(JSON.parse(pong.body), { type: 1 });
    // Discord itself sends forged ones, and takes the address off where they are not refused.
    for (const body of [event, interaction]) {
      assert.equal((await gateway.send(await ofDiscord({ body, secret: discord.wrong }))).status, 401);
    }
    return 2;
  }),

  () => asked(gateway, 'meta', 'hub.challenge comes back for the right token', { unauthorized: 1 }, async () => {
    const question = { 'hub.mode': 'subscribe', 'hub.challenge': '1158201444', 'hub.verify_token': meta.env.META_VERIFY_TOKEN };
    plain(await gateway.send(get('/webhooks/meta', question)), '1158201444');
    const refused = await gateway.send(get('/webhooks/meta', { ...question, 'hub.verify_token': 'another' }));
    assert.equal(refused.status, 403, refused.body);
    assert.doesNotMatch(refused.body, /1158201444/);
    return 1;
  }),

  () => asked(gateway, 'websub', 'subscriptions to the topic are confirmed, and no others', { malformed: 2 }, async () => {
    const topic = 'https://blog.example/feed.xml';
    const question = { 'hub.mode': 'subscribe', 'hub.topic': topic, 'hub.challenge': 'kiwi-42', 'hub.lease_seconds': '864000' };
    plain(await gateway.send(get('/webhooks/websub', question)), 'kiwi-42');
    for (const other of [{ 'hub.topic': 'https://blog.example/other.xml' }, { 'hub.mode': 'unsubscribe' }]) {
      const refused = await gateway.send(get('/webhooks/websub', { ...question, ...other }));
      assert.equal(refused.status, 404, refused.body);
    }
    return 1;
  }),

  () => asked(gateway, 'cloudevents', 'OPTIONS grants the origin, and no other', { malformed: 1 }, async () => {
    const question = (origin) => ({
      method: 'OPTIONS', target: '/webhooks/cloudevents',
      headers: [['WebHook-Request-Origin', origin], ['WebHook-Request-Rate', '120']],
    });
    const granted = await gateway.send(question('eventemitter.example'));
    assert.equal(granted.status, 200, granted.body);
    assert.equal(granted.headers['webhook-allowed-origin'], 'eventemitter.example');
    assert.equal(granted.headers['webhook-allowed-rate'], '120');
    assert.match(granted.headers.allow, /POST/);
    const refused = await gateway.send(question('another.example'));
    assert.ok(refused.status >= 400, String(refused.status));
    assert.equal(refused.headers['webhook-allowed-origin'], undefined);
    return 1;
  }),

  () => asked(gateway, 'eventgrid', 'SubscriptionValidation gets its code, with the key', { unauthorized: 1 }, async () => {
    const code = '512d38b6-c7b8-40c8-89fe-f46f9e9622b6';
    const body = bytes(JSON.stringify([{
      id: freshId(), topic: '/subscriptions/0', subject: '', data: { validationCode: code, validationUrl: 'https://rp-eastus2.eventgrid.example/validate' },
      eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent', eventTime: '2023-11-14T22:13:20Z', metadataVersion: '1', dataVersion: '1',
    }]));
    const question = withField(await eventGrid.samples[0].make({ id: 'x', body }), 'aeg-event-type', 'SubscriptionValidation');
    const answer = await gateway.send(question);
    assert.equal(answer.status, 200, answer.body);
    assert.match(answer.headers['content-type'], /^application\/json/);
    assert.deepEqual(JSON.parse(answer.body), { validationResponse: code });
    assert.equal((await gateway.send(withField(question, 'X-Sidestream-Key', 'another'))).status, 401);
    return 1;
  }),
];
