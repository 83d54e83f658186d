import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { pool } from "../../src/database.js";
import { makeApp } from "../../src/app.js";

const migrate = (...words) =>
  spawnSync(process.execPath, ["src/migrate.js", ...words], {
    encoding: "utf8",
    env: { ...process.env, DATABASE_URL: process.env.MIGRATION_DATABASE_URL },
  });
const events = async () => (await pool.query("SELECT kind FROM events ORDER BY id")).rows.map((row) => row.kind);

describe("the list", () => {
  let app;
  before(async () => {
    assert.equal(migrate("current").stdout.trim(), "");
    assert.notEqual(migrate("check").status, 0);
    assert.equal(migrate("upgrade").status, 0);
    app = await makeApp();
  });
  after(async () => {
    await app.close();
    await pool.end();
  });

  it("the schema is the code's", () => {
    assert.equal(migrate("current").stdout, migrate("heads").stdout);
    assert.equal(migrate("check").status, 0);
    assert.equal(migrate("upgrade").status, 0);
  });

  it("a way down is refused where it leads nowhere", () => {
    assert.notEqual(migrate("downgrade", "0000_nothing").status, 0);
  });

  it("the code does not take a schema that it does not know", async () => {
    const owner = new (await import("pg")).default.Client({ connectionString: process.env.MIGRATION_DATABASE_URL });
    await owner.connect();
    await owner.query("INSERT INTO migrations (id) VALUES ('9999_later')");
    assert.match(migrate("current").stderr, /9999_later/);
    await owner.query("DELETE FROM migrations WHERE id = '9999_later'");
    await owner.end();
  });

  it("the process is well", async () => {
    assert.deepEqual((await app.inject({ url: "/healthz" })).json(), { status: "ok", database: "ok" });
  });

  it("something is put on the list, bought, and taken off", async () => {
    const made = (await app.inject({ method: "POST", url: "/api/items", payload: { name: " milk " } })).json();
    assert.equal(made.name, "milk");
    assert.equal(made.bought, false);
    const bought = await app.inject({ method: "PATCH", url: `/api/items/${made.id}`, payload: { bought: true } });
    assert.equal(bought.json().bought, true);
    assert.deepEqual((await app.inject({ url: "/api/items" })).json().items, [bought.json()]);
    assert.equal((await app.inject({ method: "DELETE", url: `/api/items/${made.id}` })).statusCode, 204);
    assert.equal((await app.inject({ method: "DELETE", url: `/api/items/${made.id}` })).statusCode, 404);
    assert.equal((await app.inject({ method: "PATCH", url: `/api/items/${made.id}`, payload: { bought: true } })).statusCode, 404);
    assert.deepEqual(await events(), ["add", "change", "remove"]);
  });

  it("all of one name are taken off", async () => {
    for (const name of ["milk", "milk", "bread"]) await app.inject({ method: "POST", url: "/api/items", payload: { name } });
    assert.equal((await app.inject({ method: "DELETE", url: "/api/items?name=milk" })).statusCode, 204);
    assert.equal((await app.inject({ method: "DELETE", url: "/api/items?name=milk" })).statusCode, 404);
    assert.deepEqual((await app.inject({ url: "/api/items" })).json().items.map((item) => item.name), ["bread"]);
    await app.inject({ method: "DELETE", url: "/api/items?name=bread" });
  });

  it("text stays text", async () => {
    const name = "'; DROP TABLE items; -- <script>alert(1)</script>";
    const made = (await app.inject({ method: "POST", url: "/api/items", payload: { name } })).json();
    assert.equal(made.name, name);
    await app.inject({ method: "DELETE", url: `/api/items/${made.id}` });
  });

  it("a list that is full takes no more, and leaves no event", async () => {
    await pool.query("INSERT INTO items (name) SELECT 'item ' || n FROM generate_series(1, 500) AS n");
    const before = await events();
    assert.equal((await app.inject({ method: "POST", url: "/api/items", payload: { name: "one more" } })).statusCode, 409);
    assert.deepEqual(await events(), before);
    await pool.query("DELETE FROM items");
  });
});
