// Stripe, signed by its own library. The events are made by its documents.

import Stripe from 'stripe';
import { bytes, now } from '../lib/make.mjs';

const secret = 'whsec_stripe_secret_of_the_tests';
const wrong = 'whsec_another_secret_of_the_tests';
const stripe = new Stripe('sk_test_none');

/** Indented as Stripe sends them. */
const event = (id, type, object, more = {}) => bytes(JSON.stringify({
  id, object: 'event', api_version: '2024-06-20', created: 1_700_000_000, data: { object, ...more },
  livemode: false, pending_webhooks: 1, request: { id: 'req_0000000000test', idempotency_key: null }, type,
}, null, 2));

const samples = {
  'payment_intent.succeeded': [{ id: 'pi_1test', object: 'payment_intent', amount: 2000, currency: 'eur', status: 'succeeded' }],
  'customer.subscription.updated': [
    { id: 'sub_1test', object: 'subscription', status: 'active', customer: 'cus_1test' },
    { previous_attributes: { status: 'past_due' } },
  ],
  'charge.refunded': [{ id: 'ch_1test', object: 'charge', description: 'Zürich – 3 × “Käse” 🧀', amount_refunded: 9_007_199_254_740_993n.toString() }],
};

export default {
  source: 'stripe',
  env: { STRIPE_WEBHOOK_SECRET: secret },
  by: 'npm stripe 23.1.0',
  signs: ['body', 'time'],
  proof: 'Stripe-Signature',
  // Its time stands beside the signature.
  retimed: (value, time) => value.replace(/^t=\d+/, `t=${time}`),
  secret,
  wrong,
  answer: { status: 202 },
  samples: Object.entries(samples).map(([type, [object, more]], index) => ({
    name: type,
    capture: index === 0,
    id: 'evt_1test',
    async make({ secret: by = secret, id, time = now(), body = event(id, type, object, more) }) {
      const payload = body.toString('utf8');
      const signature = stripe.webhooks.generateTestHeaderString({ payload, secret: by, timestamp: time });
      const headers = [
        ['Content-Type', 'application/json; charset=utf-8'],
        ['Accept', '*/*; q=0.5, application/xml'],
        ['User-Agent', 'Stripe/1.0 (+https://stripe.com/docs/webhooks)'],
        ['Stripe-Signature', signature],
      ];
      return { target: '/webhooks/stripe', headers, body };
    },
    events: ({ body }) => [{ topic: `stripe.${type}`, type, data: body.toString('utf8') }],
  })),
};
