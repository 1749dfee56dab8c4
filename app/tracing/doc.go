// Package tracing records where the time of a value went: one trace from the poll
// of the upstream through the store and its feed to the dashboards' room, and one
// for each question of a dashboard and each HTTP request. The spans go to an
// OpenTelemetry collector over OTLP/HTTP; without one nothing is recorded, and
// requests are given a trace id all the same.
//
// The packages that are watched know nothing of OpenTelemetry: each offers a hook
// in its own words, which a Tracer fulfils.
//
// The stores keep no trace context, since their documents are shared with a Node
// backend. What a change was part of follows from what it is: see ids.go.
package tracing
