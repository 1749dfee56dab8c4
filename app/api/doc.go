// Package api is the versioned HTTP API: rows of the history, series of one field,
// uptime, badges and monthly reports, with an OpenAPI document that describes all
// of it. Its handlers read from a store through small interfaces; it knows nothing
// of the wire protocol of the dashboards.
package api
