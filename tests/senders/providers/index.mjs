// All providers, in the order of docs/providers.md.

import { alertmanager, cloudevents, eventGrid, registry } from './credentials.mjs';
import discord from './discord.mjs';
import { forgejo, gitea, gitlabSigned, gitlabToken } from './forges.mjs';
import github from './github.mjs';
import { grafana, meta, shopify, websub } from './signed.mjs';
import { actions, commands, slack } from './slack.mjs';
import { standard, svix } from './standard.mjs';
import stripe from './stripe.mjs';
import { knative, pubsub } from './tokens.mjs';
import { json as twilioJson, messages as twilio } from './twilio.mjs';

export const providers = [
  github, gitlabSigned, gitlabToken, gitea, forgejo, stripe, slack, commands, actions, shopify, twilio, twilioJson, discord,
  alertmanager, grafana, registry, cloudevents, knative, eventGrid, pubsub, meta, websub, standard, svix,
];

/** The examples that they are configured by. */
export const files = [...new Set(providers.map(({ file, source }) => file ?? source))];
