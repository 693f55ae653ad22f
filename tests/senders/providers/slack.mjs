// Slack, signed by slack_sdk: an event of the Events API; a slash command, which is a form; and a button, which is JSON in a
// form.

import { signature } from '../lib/python.mjs';
import { bytes, now } from '../lib/make.mjs';

const secret = '8f742231b10e8888abcd99yyyzzz85a5'; // the one of Slack's documents
const wrong = '8f742231b10e8888abcd99yyyzzz85a6';

const make = (path, type, write) => async ({ secret: by = secret, id, time = now(), body = write(id) }) => ({
  target: path,
  headers: [
    ['Content-Type', type],
    ['User-Agent', 'Slackbot 1.0 (+https://api.slack.com/robots)'],
    ['Accept', '*/*'],
    ['X-Slack-Request-Timestamp', String(time)],
    ['X-Slack-Signature', await signature('slack', { secret: by, time, body })],
  ],
  body,
});

const event = (id) => bytes(JSON.stringify({
  token: 'Z26uFbvR1xHJEdHE1OQiO6t8', team_id: 'T123ABC456', api_app_id: 'A123ABC456',
  event: {
    type: 'app_mention', user: 'U123ABC456', text: 'What is the hour of the pearl, <@U0LAN0Z89>? 🦪',
    ts: '1515449522.000016', channel: 'C123ABC456', event_ts: '1515449522000016',
  },
  type: 'event_callback', event_id: id, event_time: 1_515_449_522, authed_users: ['U0LAN0Z89'],
}));

const FIELDS = {
  token: 'gIkuvaNzQIHg97ATvDxqgjtO', team_id: 'T123ABC456', team_domain: 'example', channel_id: 'C123ABC456',
  channel_name: 'test', user_id: 'U123ABC456', user_name: 'Steve', command: '/weather', text: '94070 & “more” + ☂',
  response_url: 'https://hooks.slack.com/commands/1234/5678',
};
const command = (id) => bytes(new URLSearchParams({ ...FIELDS, trigger_id: id, api_app_id: 'A123ABC456' }).toString());

const common = {
  by: 'PyPI slack_sdk 3.48.0',
  env: { SLACK_SIGNING_SECRET: secret },
  signs: ['body', 'time'],
  proof: 'X-Slack-Signature',
  time: 'X-Slack-Request-Timestamp',
  secret,
  wrong,
};

export const slack = {
  ...common,
  source: 'slack',
  answer: { status: 200 },
  samples: [{
    name: 'app_mention',
    capture: true,
    id: 'Ev123ABC456',
    make: make('/webhooks/slack', 'application/json', event),
    events: ({ body }) => [{ topic: 'slack.T123ABC456', type: 'app_mention', data: body.toString('utf8') }],
  }],
};

export const commands = {
  ...common,
  source: 'slack-commands',
  file: 'slack',
  // Whatever is in it is shown to whoever gave the command.
  answer: { status: 200, body: '' },
  samples: [{
    name: '/weather',
    capture: true,
    id: '13345224609.738474920.8088930838d88f008e0',
    make: make('/webhooks/slack/commands', 'application/x-www-form-urlencoded', command),
    events: () => [{
      topic: 'slack.T123ABC456.commands', type: '/weather',
      data: { json: { command: FIELDS.command, text: FIELDS.text, user: FIELDS.user_id, channel: FIELDS.channel_id } },
    }],
  }],
};

const pressed = [{ type: 'button', action_id: 'approve', block_id: 'b1', text: { type: 'plain_text', text: 'Approve ✅', emoji: true }, value: 'po-7', action_ts: '1700000000.000001' }];
const button = (id) => bytes(new URLSearchParams({
  payload: JSON.stringify({
    type: 'block_actions', user: { id: 'U123ABC456', username: 'steve', team_id: 'T123ABC456' }, api_app_id: 'A123ABC456', token: 'gIkuvaNzQIHg97ATvDxqgjtO',
    trigger_id: id, team: { id: 'T123ABC456', domain: 'example' }, response_url: 'https://hooks.slack.com/actions/1234/5678', actions: pressed,
  }),
}).toString());

export const actions = {
  ...common,
  source: 'slack-actions',
  file: 'slack',
  answer: { status: 200, body: '' },
  samples: [{
    name: 'a button',
    capture: true,
    id: '12466734323.1395872398',
    make: make('/webhooks/slack/actions', 'application/x-www-form-urlencoded', button),
    events: () => [{
      topic: 'slack.T123ABC456.actions', type: 'block_actions', data: { json: { user: 'U123ABC456', actions: pressed } },
    }],
  }],
};

/** For handshakes. */
export const signed = make;
