import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

process.env.ALLOWED_ORIGINS = "https://shopping.test";
const { makeApp } = await import("../../src/app.js");
const { pool } = await import("../../src/database.js");
const { documents } = await import("../../src/documents.js");

let app;
before(async () => {
  app = await makeApp();
});
after(async () => {
  await app.close();
  await pool.end();
});

describe("a request's id", () => {
  for (const given of ["9f0c", "a.b_c-d", "x".repeat(64)]) {
    it(`is kept: ${given.slice(0, 8)}`, async () => {
      const answer = await app.inject({ url: "/version", headers: { "x-request-id": given } });
      assert.equal(answer.headers["x-request-id"], given);
    });
  }
  for (const given of ["", "a b", "x".repeat(65), "<script>"]) {
    it(`is made where none can be kept: ${given.slice(0, 8)}`, async () => {
      const answer = await app.inject({ url: "/version", headers: { "x-request-id": given } });
      assert.match(answer.headers["x-request-id"], /^[0-9a-f]{32}$/);
    });
  }
});

describe("what is refused before the database is asked", () => {
  const bodies = [{}, { name: "" }, { name: "   " }, { name: 1 }, { name: null }, { name: ["a"] }, { name: "a\u0000" }, { name: "a\nb" }, { name: "a\ud800" }, { name: "x".repeat(1001) }, { name: "milk", more: 1 }, []];
  for (const body of bodies) {
    it(`POST /api/items ${JSON.stringify(body).slice(0, 30)}`, async () => {
      const answer = await app.inject({ method: "POST", url: "/api/items", payload: body });
      assert.equal(answer.statusCode, 400);
      assert.ok(answer.json().message && answer.json().request_id);
    });
  }
  for (const id of ["0", "-1", "1.5", "x", "1234567890", "1;--"]) {
    it(`DELETE /api/items/${id}`, async () => {
      const answer = await app.inject({ method: "DELETE", url: `/api/items/${encodeURIComponent(id)}` });
      assert.equal(answer.statusCode, 400);
    });
  }
  it("a text that is no JSON", async () => {
    const answer = await app.inject({ method: "POST", url: "/api/items", payload: "{", headers: { "content-type": "application/json" } });
    assert.equal(answer.statusCode, 400);
  });
  it("another type of body", async () => {
    const answer = await app.inject({ method: "POST", url: "/api/items", payload: "milk", headers: { "content-type": "text/plain" } });
    assert.equal(answer.statusCode, 415);
  });
});

describe("what a browser has already", () => {
  for (const url of ["/", "/assets/app.js", "/docs/system"]) {
    it(`is not sent again: ${url}`, async () => {
      const first = await app.inject({ url });
      const again = await app.inject({ url, headers: { "if-none-match": first.headers.etag } });
      assert.deepEqual([again.statusCode, again.body], [304, ""]);
    });
  }
});

describe("other sites' pages", () => {
  for (const [origin, allowed] of [["https://shopping.test", "https://shopping.test"], ["https://evil.test", undefined], ["null", undefined]]) {
    it(`of ${origin}`, async () => {
      const answer = await app.inject({ url: "/version", headers: { origin } });
      assert.equal(answer.headers["access-control-allow-origin"], allowed);
    });
  }
});

describe("documents", () => {
  for (const name of documents.keys()) {
    it(`is a page: ${name}`, async () => {
      const answer = await app.inject({ url: `/docs/${name}` });
      assert.equal(answer.statusCode, 200);
      assert.match(answer.body, /<h1 id="/);
    });
  }
  it("no other is", async () => {
    assert.equal((await app.inject({ url: "/docs/secrets" })).statusCode, 404);
  });
});

it("figures are counted by route", async () => {
  await app.inject({ url: "/version" });
  const answer = await app.inject({ url: "/metrics" });
  assert.match(answer.body, /http_requests_total\{method="GET",route="\/version",status="200"\} \d/);
});

it("errors on demand need a token", async () => {
  const answer = await app.inject({ url: "/version", headers: { "x-diagnostics-token": "" } });
  assert.equal(answer.statusCode, 200);
});
