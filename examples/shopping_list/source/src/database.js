import pg from "pg";
import { log } from "./log.js";
import { build, databaseUrl } from "./settings.js";

export const pool = new pg.Pool({
  connectionString: databaseUrl,
  application_name: `shopping ${build.release}`.slice(0, 63),
  max: 8,
  connectionTimeoutMillis: 5000,
  statement_timeout: 10000,
});
// A connection that breaks while nobody uses it is replaced at the next query.
pool.on("error", (error) => log("warning", `The database closed a connection: ${error.message}`));

// What one function does with the connection is done whole, or not at all.
export async function transaction(work) {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}
