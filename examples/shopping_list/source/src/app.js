// Around every request: its id, log entry and figures, and an answer when something unexpected happens.
import { randomBytes, timingSafeEqual } from "node:crypto";
import etag from "@fastify/etag";
import swagger from "@fastify/swagger";
import Fastify from "fastify";
import { log } from "./log.js";
import { duration, errors, requests } from "./metrics.js";
import { routes } from "./routes.js";
import { allowedOrigins, build, diagnosticsToken } from "./settings.js";

const unexpected = 500;

function failIfAsked(headers) {
  const [given, token] = [headers["x-diagnostics-token"] ?? "", diagnosticsToken].map(Buffer.from);
  if (token.length > 0 && given.length === token.length && timingSafeEqual(given, token)) {
    throw new Error(`Asked for; nothing is wrong: ${String(headers["x-diagnostics-error"]).slice(0, 100)}`);
  }
}

// Other sites' pages may use the API where ALLOWED_ORIGINS names them.
function letIn(request, reply) {
  const origin = request.headers.origin;
  reply.header("vary", "Origin");
  if (!allowedOrigins.includes(origin)) return false;
  reply.header("access-control-allow-origin", origin);
  if (request.method !== "OPTIONS") return false;
  reply.headers({ "access-control-allow-methods": "GET, POST, PATCH, DELETE", "access-control-allow-headers": "content-type" });
  return true;
}

export async function makeApp() {
  const app = Fastify({
    bodyLimit: 16 * 1024,
    requestIdHeader: false,
    genReqId: (request) =>
      /^[A-Za-z0-9._-]{1,64}$/.test(request.headers["x-request-id"] ?? "") ? request.headers["x-request-id"] : randomBytes(16).toString("hex"),
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  });
  app.removeContentTypeParser("text/plain");
  app.decorate("routeNames", []);

  app.addHook("onRoute", ({ method, url }) => {
    const template = url.replace(/:(\w+)/g, "{$1}");
    for (const one of [method].flat().filter((each) => each !== "HEAD")) app.routeNames.push(`${one} ${template}`);
  });
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
    if (letIn(request, reply)) return reply.code(204).send();
    failIfAsked(request.headers);
  });
  app.addHook("onResponse", async (request, reply) => {
    const [method, route, status] = [request.method, request.routeOptions.url ?? "unmatched", String(reply.statusCode)];
    requests.inc({ method, route, status });
    duration.observe({ method, route }, reply.elapsedTime / 1000);
    const fields = { request_id: request.id, method, path: request.url.split("?")[0], route, status: reply.statusCode };
    log(reply.statusCode >= unexpected ? "error" : "info", "request", { ...fields, duration_ms: Math.round(reply.elapsedTime * 10) / 10 });
  });
  app.setErrorHandler((error, request, reply) => {
    const status = error.statusCode ?? unexpected;
    if (status >= unexpected) {
      errors.inc();
      log("error", "Unexpected error", { request_id: request.id, exception: error.stack });
    }
    const message = status >= unexpected ? "Something went wrong on our side." : error.message;
    return reply.code(status).send({ message, request_id: request.id });
  });
  app.setNotFoundHandler((request, reply) => reply.code(404).send({ message: "There is no such page.", request_id: request.id }));

  await app.register(etag);
  await app.register(swagger, {
    openapi: { openapi: "3.0.3", info: { title: "Shopping list", description: "One list for everybody at home.", version: build.version } },
  });
  await app.register(routes);
  await app.ready();
  return app;
}
