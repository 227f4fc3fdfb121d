import * as Context from "effect/Context"

/** What `/metrics` answers: Prometheus's text format 0.0.4. */
export class PrometheusText extends Context.Service<
  PrometheusText,
  { readonly render: () => Promise<{ readonly contentType: string; readonly body: string }> }
>()("roomcast/adapters/prometheus/prometheus-text") {}
