// Package transfer moves the history out of a store and into one: export writes
// it as NDJSON, CSV or OpenMetrics, import takes NDJSON. Both go through any
// number of rows with the memory of a few. It knows the stores only by the
// interfaces of package store.
package transfer
