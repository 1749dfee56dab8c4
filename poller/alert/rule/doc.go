// Package rule compiles the rules of alerts: an expression over one region, or
// over all regions of an API, and the texts that go with it. Everything that can
// be wrong with a rule is found by Compile, with its place. Holds says whether a
// rule is true of some facts; it is bounded in steps, memory and depth, so that
// no expression and no data can make it hang. It knows neither when rules are
// asked nor what becomes of the answer.
package rule
