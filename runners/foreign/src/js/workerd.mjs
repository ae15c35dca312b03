// The main module of a worker in workerd.

import "./outbound.mjs";

import { env } from "cloudflare:workers";

import { answer, granted, handlerOf } from "./answer.mjs";
import * as module from "./handler.js";

/** The longest time that a timer can have. The deadline of every function is shorter. */
const LONGEST_MS = 2 ** 31 - 1;

const environment = granted(env.ISOLAB_GRANTED);
const handler = handlerOf(module);

/** workerd listens before it evaluates the handler. The host's own first request tells it when that is over. */
let isReady = false;

export default {
  /**
   * While a timer is set, workerd believes that the handler may still answer. Without one it would answer a request
   * that waits for ever itself, as if the handler had. The deadline ends such a request.
   */
  async fetch(request, _env, context) {
    if (!isReady) {
      isReady = true;
      return new Response();
    }
    const timer = setTimeout(() => {}, LONGEST_MS);
    try {
      return await answer(handler, request, environment, context);
    } finally {
      clearTimeout(timer);
    }
  },
};
