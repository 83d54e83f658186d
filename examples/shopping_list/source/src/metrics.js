import { Counter, Histogram, register } from "prom-client";

const labelNames = ["method", "route", "status"];
export const requests = new Counter({ name: "http_requests_total", help: "Requests answered.", labelNames });
export const duration = new Histogram({
  name: "http_request_duration_seconds",
  help: "Time from a request to the end of its answer.",
  labelNames: ["method", "route"],
});
export const errors = new Counter({ name: "shopping_errors_total", help: "Errors that no part of the application expected." });
export const render = () => register.metrics();
export const contentType = register.contentType;
