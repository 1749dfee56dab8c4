// Package heartbeat tells a service outside, again and again, that this server
// polls as it should, so that somebody is told when it does not, or when it is
// gone. It knows nothing of what may be wrong.
//
// While nothing is wrong, URL is called in each period. When something is, FailURL
// is called in each period instead; without one, URL is told once, and then hears
// nothing until all is well again: the service outside takes silence for an alarm.
// Something counts as wrong when it is so twice, a moment apart.
//
// A call is a POST of JSON: status (ok or failing), wrong (a list of sentences),
// instance and timestamp. One that fails is tried again until the period is over.
package heartbeat
