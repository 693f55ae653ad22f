// Twilio, signed by its own library: a form as for messages and calls, and JSON covered by bodySHA256.

import twilio from 'twilio';
import { bytes } from '../lib/make.mjs';

const secret = 'twilio token of the tests';
const wrong = 'another token of the tests';
const PUBLIC = 'https://hooks.example';

const message = (id) => ({
  ToCountry: 'US', SmsMessageSid: id, NumMedia: '0', ToCity: '', FromZip: '', SmsSid: id, SmsStatus: 'received',
  Body: 'Hello there! 👋 50% off + more & more', To: '+15558675310', MessagingServiceSid: 'MG00000000000000000000000000000000',
  NumSegments: '1', MessageSid: id, AccountSid: 'AC00000000000000000000000000000000', From: '+15017122661', ApiVersion: '2010-04-01',
});

/** A form's fields, as the library wants them. */
const fields = (body) => Object.fromEntries(new URLSearchParams(body.toString('utf8')));

const request = (target, type, signature, body, id) => ({
  target,
  headers: [
    ['Content-Type', type],
    ['User-Agent', 'TwilioProxy/1.1'],
    ['Accept', '*/*'],
    ['I-Twilio-Idempotency-Token', id],
    ['X-Twilio-Signature', signature],
  ],
  body,
});

const common = {
  by: 'npm twilio 6.2.0', env: { TWILIO_AUTH_TOKEN: secret }, signs: ['body', 'target'],
  proof: 'X-Twilio-Signature', secret, wrong,
};

const TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>';

export const messages = {
  ...common,
  source: 'twilio',
  answer: { status: 200, body: TWIML, headers: { 'content-type': 'text/xml' } },
  samples: ['', '?flow=1&x=a%20b'].map((query, index) => ({
    name: `a message${query && ', with a query'}`,
    capture: index === 0,
    id: 'SM00000000000000000000000000000001',
    async make({ secret: by = secret, id, body = bytes(new URLSearchParams(message(id)).toString()) }) {
      const target = `/webhooks/twilio${query}`;
      const signature = twilio.getExpectedTwilioSignature(by, `${PUBLIC}${target}`, fields(body));
      return request(target, 'application/x-www-form-urlencoded; charset=UTF-8', signature, body, `token-${id}`);
    },
    events: ({ id }) => [{ topic: 'twilio.messages', type: 'received', data: { json: message(id) } }],
  })),
};

const streamed = (id) => bytes(JSON.stringify([
  {
    specversion: '1.0', type: 'com.twilio.messaging.message.delivered', source: '/2010-04-01/Accounts/AC0/Messages/SM0',
    id, dataschema: 'https://events-schemas.twilio.com/Messaging.MessageStatus/4', datacontenttype: 'application/json',
    time: '2023-11-14T22:13:20.000Z', data: { messageSid: 'SM00000000000000000000000000000001', messageStatus: 'DELIVERED' },
  },
]));

export const json = {
  ...common,
  source: 'twilio-events',
  file: 'twilio',
  answer: { status: 202 },
  samples: [{
    name: 'JSON, covered by bodySHA256',
    capture: true,
    id: 'EZ00000000000000000000000000000001',
    async make({ secret: by = secret, id, body = streamed(id) }) {
      const target = `/webhooks/twilio/events?bodySHA256=${twilio.getExpectedBodyHash(body.toString('utf8'))}`;
      const signature = twilio.getExpectedTwilioSignature(by, `${PUBLIC}${target}`, {});
      return request(target, 'application/json; charset=utf-8', signature, body, `token-${id}`);
    },
    events: ({ body }) => JSON.parse(body.toString('utf8')).map((event) => ({
      topic: `twilio.events.${event.type}`, type: event.type, data: { json: event },
    })),
  }],
};
