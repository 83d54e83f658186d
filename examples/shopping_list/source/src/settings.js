// What the environment says, read once.
import { readFileSync } from "node:fs";

export const root = new URL("../", import.meta.url);

function release() {
  try {
    return JSON.parse(readFileSync(new URL("release.json", root), "utf8"));
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    return { version: "dev", commit: "unknown" };
  }
}

export const build = { ...release(), release: process.env.RELEASE_ID ?? "dev" };
export const databaseUrl = process.env.DATABASE_URL;
export const diagnosticsToken = process.env.DIAGNOSTICS_TOKEN ?? "";
export const allowedOrigins = (process.env.ALLOWED_ORIGINS ?? "").split(",").filter(Boolean);
