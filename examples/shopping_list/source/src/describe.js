// Prints what the application offers: its OpenAPI document and every route that it really has, hidden ones too.
import { makeApp } from "./app.js";

const app = await makeApp();
process.stdout.write(JSON.stringify({ openapi: app.swagger(), routes: app.routeNames.sort() }));
await app.close();
